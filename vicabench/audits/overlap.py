"""What of a benchmark is in training data: its videos, its rooms, its questions and their answers.

Training files are read as a stream, a record at a time, in the layout of ViCA-322K or any other
that `vicabench train` reads. Names are compared without folders and endings, texts by their words
alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from vica.errors import VicaError
from vica.training.files import SUFFIX, scan_json, scan_parquet
from vica.training.records import RecordError, turns_of, visual_of

from vicabench.audits.frames import SameFrames
from vicabench.errors import DataError
from vicabench.rubric import Rubric
from vicabench.types import Question

VIDEO, ROOM, FRAMES = "video", "room", "frames"
QUESTION, ANSWER = "question", "answer"
LEVELS = (VIDEO, ROOM, FRAMES, QUESTION, ANSWER)
"""What is found: the question's video, by name; another scan of its room; its frames in a video of
any name; the question in the same words about its video; and that with the right answer."""
LEAD = 5
"""By so many first words a question is looked up."""
SHORTEST = 4
"""A name with fewer characters says too little to be found by."""
_WORD = re.compile(r"[^\W_]+")
_SCAN = re.compile(r"^(scene\d{4})_\d\d$")
"""ScanNet names a room's scans `scene0011_00`, `scene0011_01` ..."""
Words = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What training data has of one question.

    Attributes:
        records: By level, how many records have it.
        example: Where the strongest of them is: the file, and the number of the record from 0.
    """

    records: Mapping[str, int]
    example: str

    @property
    def level(self) -> str:
        """The strongest evidence."""
        return next(
            name for name in (ANSWER, QUESTION, VIDEO, FRAMES, ROOM) if self.records.get(name)
        )


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What training data has of a benchmark.

    Attributes:
        questions: All questions of the benchmark.
        rubric: Their tasks.
        found: By id, what was found of a question.
        worded: Ids of the questions whose words are in the training data about any video.
        files: The records of each file that were read.
        unread: By file, the records that could not be read.
        skipped: Files of a folder that hold no records, with the reason.
        frames: What was found by frames, if training videos were compared.
    """

    questions: tuple[Question, ...]
    rubric: Rubric
    found: Mapping[str, Found]
    worded: frozenset[str]
    files: Mapping[str, int]
    unread: Mapping[str, int]
    skipped: tuple[str, ...] = ()
    frames: SameFrames | None = None

    def ids(self, level: str) -> set[str]:
        """The ids of the questions with this level."""
        return {key for key, one in self.found.items() if one.records.get(level)}


def overlap_of(
    questions: Sequence[Question],
    rubric: Rubric,
    files: Sequence[Path],
    *,
    inside: Sequence[Path] = (),
    progress: Callable[[str, int], None] | None = None,
) -> Overlap:
    """Look for the questions of a benchmark in training files.

    Args:
        questions: The questions.
        rubric: Their tasks.
        files: `.json`, `.jsonl` and `.parquet` files.
        inside: Further ones, found in folders; those that hold no records are skipped.
        progress: Told the file and the records read so far.

    Raises:
        DataError: A file cannot be read at all. Single bad records are counted.
    """
    index = _Index(questions)
    read, unread = Counter[str](), Counter[str]()
    skipped = []
    for file in [*files, *inside]:
        try:
            for number, record in enumerate(_records(file)):
                if progress and number % 1_000 == 0:
                    progress(file.name, number)
                place = f"{file.name}, record {number}"
                known = isinstance(record, Mapping) and index.add(record, place)
                (read if known else unread)[str(file)] += 1
        except DataError as error:
            if file in files:
                raise
            skipped.append(str(error))
    return Overlap(
        questions=tuple(questions),
        rubric=rubric,
        found=index.found(),
        worded=frozenset(index.worded),
        files={str(file): read[str(file)] for file in [*files, *inside] if read[str(file)]},
        unread=dict(unread),
        skipped=tuple(skipped),
    )


def with_frames(overlap: Overlap, frames: SameFrames) -> Overlap:
    """The overlap with the videos that show frames of training videos."""
    found = dict(overlap.found)
    for question in overlap.questions:
        if match := frames.found.get(question.video):
            known = found.get(question.id, Found(records={}, example=match.file))
            found[question.id] = replace(known, records={**known.records, FRAMES: 1})
    ordered = {q.id: found[q.id] for q in overlap.questions if q.id in found}
    return replace(overlap, found=ordered, frames=frames)


def _records(file: Path) -> Iterator[object]:
    scan = scan_parquet if file.suffix == SUFFIX else scan_json
    try:
        yield from (scanned.record for scanned in scan(file))
    except VicaError as error:
        raise DataError(f"{str(error).rstrip('.')}.") from None


def words_of(text: str) -> Words:
    """The words of a text in lower case, without punctuation and marks of media."""
    return tuple(_WORD.findall(text.replace("<image>", " ").replace("<video>", " ").casefold()))


def stem_of(name: str) -> str:
    """A video's name without folders and ending, in lower case."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return re.sub(r"\.(mp4|mkv|avi|mov|webm|m4v)$", "", last.casefold())


@dataclass
class _Index:
    """The questions by video, room and words; and what was found of each."""

    questions: Sequence[Question]
    worded: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.videos: dict[str, list[str]] = defaultdict(list)
        self.rooms: dict[str, list[str]] = defaultdict(list)
        self.texts: dict[Words, list[Question]] = defaultdict(list)
        self.lengths: dict[Words, set[int]] = defaultdict(set)
        self.by_id = {q.id: q for q in self.questions}
        for question in self.questions:
            stem, words = stem_of(question.video), words_of(question.text)
            if len(stem) >= SHORTEST:
                self.videos[stem].append(question.id)
            if match := _SCAN.match(stem):
                self.rooms[match[1]].append(question.id)
            self.texts[words].append(question)
            self.lengths[words[:LEAD]].add(len(words))
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.examples: dict[tuple[str, str], str] = {}

    def add(self, record: Mapping[str, object], place: str) -> bool:
        """Look at a record; False if it is not a conversation."""
        try:
            turns, shown = turns_of(record)
            visual, _ = visual_of(record, shown)
        except RecordError:
            return False
        stems = {stem_of(visual)} if visual else set()
        stems |= {stem_of(part) for part in re.split(r"[/:]", str(record.get("id", "")))}
        self._count(VIDEO, {key for stem in stems for key in self.videos.get(stem, ())}, place)
        rooms = {match[1] for stem in stems if (match := _SCAN.match(stem))}
        others = {key for room in rooms for key in self.rooms.get(room, ())}
        self._count(ROOM, {k for k in others if stem_of(self.by_id[k].video) not in stems}, place)
        for (_, text), (_, reply) in zip(turns[::2], turns[1::2], strict=True):
            self._asked(words_of(text), reply, stems, place)
        return True

    def _asked(self, words: Words, reply: str, stems: set[str], place: str) -> None:
        """Note the questions that a turn asks, in whatever words around them."""
        for question in self._inside(words):
            self.worded.add(question.id)
            if stem_of(question.video) in stems:
                self._count(QUESTION, {question.id}, place)
                if _is_right(question, reply):
                    self._count(ANSWER, {question.id}, place)

    def _inside(self, words: Words) -> Iterator[Question]:
        seen: set[Words] = set()
        for start in range(len(words)):
            for length in self.lengths.get(words[start : start + LEAD], ()):
                part = words[start : start + length]
                if part in self.texts and part not in seen:
                    seen.add(part)
                    yield from self.texts[part]

    def _count(self, level: str, ids: Iterable[str], place: str) -> None:
        for key in ids:
            self.counts[key][level] += 1
            self.examples.setdefault((key, level), place)

    def found(self) -> dict[str, Found]:
        """What was found, by id in the order of the benchmark."""
        result = {}
        for question in self.questions:
            if counts := self.counts.get(question.id):
                one = Found(records=dict(counts), example="")
                example = self.examples[question.id, one.level]
                result[question.id] = Found(records=dict(counts), example=example)
        return result


def _is_right(question: Question, reply: str) -> bool:
    """Whether a reply is the right answer, as a number, a letter, or the text of the option."""
    said = words_of(reply)
    for answer in question.answers:
        texts = [option for option in question.options if option.startswith(f"{answer}.")]
        spelled = [answer, *texts, *(text.partition(".")[2] for text in texts)]
        if said in [words_of(text) for text in spelled]:
            return True
        try:
            if float(reply) == float(answer):
                return True
        except ValueError:
            continue
    return False
