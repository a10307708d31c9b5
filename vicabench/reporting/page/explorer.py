"""Questions and replies as data for the script of the page."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from vicabench.errors import DataError, counted
from vicabench.harnesses.protocols import Protocol
from vicabench.harnesses.reading.thoughts import reasoned
from vicabench.metrics import NUMERIC
from vicabench.reporting.page.report import Report, Strip
from vicabench.results.run import Run
from vicabench.rubric import Rubric
from vicabench.scoring.compare import same_truth
from vicabench.types import OUTCOMES, Answer, Question

# Control characters except tab and newline; zero-width characters and marks that change the reading
# direction; Unicode line separators; halves of surrogate pairs; noncharacters.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """Replace invisible characters by visible escapes such as `⟨U+202E⟩`.

    Otherwise a reply could reverse the text beside it, or hide words. Windows line ends become
    newlines.
    """
    return UNSEEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text.replace("\r\n", "\n"))


UNKNOWN = "This question is planned, but was not asked yet."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The questions in the order of the runs, and the index of each by id."""

    questions: tuple[Question, ...]
    places: dict[str, int]

    @property
    def videos(self) -> list[str]:
        """The videos in order of first appearance."""
        return list(dict.fromkeys(question.video for question in self.questions))


def collect(runs: Sequence[Run]) -> Asked:
    """The union of the runs' questions; DataError if one id stands for different questions."""
    by_id: dict[str, tuple[Question, Run]] = {}
    for run in runs:
        for question in (prediction.question for prediction in run.predictions):
            known, first = by_id.setdefault(question.id, (question, run))
            _check_same(known, question, first, run)
            if not known.text and question.text:  # another harness may leave the words out
                by_id[question.id] = question, run
    for run in runs:
        for question in _planned_questions(run):
            known, first = by_id.setdefault(question.id, (question, run))
            if (known.video, known.task) != (question.video, question.task):
                raise _differ(question, first, run)
    questions = tuple(question for question, _ in by_id.values())
    return Asked(questions=questions, places={q.id: place for place, q in enumerate(questions)})


def columns(asked: Asked, rubric: Rubric) -> dict[str, Any]:
    """The questions as the columns that the script of the page reads."""
    kinds = {kind: place for place, kind in enumerate(rubric.types)}
    videos = {video: place for place, video in enumerate(asked.videos)}
    tasks = [task.name for task in rubric.tasks]
    return {
        "tasks": [
            {"name": t.name, "title": t.title, "unit": t.unit, "numeric": t.kind == NUMERIC}
            for t in rubric.tasks
        ],
        "kinds": [
            {"name": kind, "task": tasks.index(task.name)} for kind, task in rubric.of_type.items()
        ],
        "videos": list(videos),
        "id": [q.id for q in asked.questions],
        "video": [videos[q.video] for q in asked.questions],
        "kind": [kinds[q.task] for q in asked.questions],
        "text": [q.text or UNKNOWN for q in asked.questions],
        "truth": [" or ".join(q.answers) for q in asked.questions],
        "options": [list(q.options) or None for q in asked.questions],
    }


def _planned_questions(run: Run) -> list[Question]:
    return [
        Question(id=key, video=video, task=task, text="", answer="")
        for video, asked in run.planned.items()
        for key, task in asked.items()
    ]


def _check_same(one: Question, other: Question, first: Run, second: Run) -> None:
    if (one.video, one.task) != (other.video, other.task) or not same_truth(one, other):
        raise _differ(other, first, second)


def _differ(question: Question, first: Run, second: Run) -> DataError:
    return DataError(
        f"Question {question.id} of {second.path} differs from that in {first.path}: "
        "video, type or ground truth differ. Report runs of different benchmarks one by one."
    )


LIMITS = (8_000, 4_000, 2_000, 1_000, 500, 250)
TEXT = 20_000_000
"""Maximum bytes of replies in a page; the largest of `LIMITS` that stays below is used."""

NEVER = "not answered yet"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A reply split into thoughts, which are folded, and the rest, which is shown."""

    thoughts: str | None
    text: str


def split(answer: Answer) -> Shown:
    """The thoughts of a reply, from its `parts` or by its tags, and the rest.

    Thoughts that no answer follows stay in the text, which shows where the reply broke off.
    """
    text = answer.response or ""
    if answer.parts and "thoughts" in answer.parts:
        return Shown(thoughts=answer.parts["thoughts"], text=text)
    cut = reasoned(text)
    if cut.thoughts is not None and cut.closed:
        return Shown(thoughts=cut.thoughts, text=cut.rest)
    return Shown(thoughts=None, text=text)


def fitting_limit(runs: Sequence[Run], room: int = TEXT) -> int:
    """The limits of characters of a reply and its thoughts so that all fit on the page."""
    sizes = [(len(text), _bytes(text)) for run in runs for text in _texts(run)]
    for limit in LIMITS:
        if sum(size * min(1.0, limit / (length or 1)) for length, size in sizes) <= room:
            return limit
    return LIMITS[-1]


def shorten(text: str, limit: int) -> str:
    """Cut the middle out of a text that is longer than the limit."""
    if len(text) <= limit:
        return text
    half = limit // 2
    left_out = f"{counted(len(text) - 2 * half, 'character')} left out"
    return f"{text[:half]}\n[… {left_out} …]\n{text[-half:]}"


def reply_columns(run: Run, asked: Asked, limit: int) -> dict[str, Any]:
    """Replies, errors and thoughts by question; `cut` has the full length of shortened ones."""
    size = len(asked.questions)
    columns: dict[str, Any] = {
        "reply": [None] * size,
        "error": [None] * size,
        "length": [0] * size,
        "thoughts": {},
        "cut": {},
        "facts": {},
    }
    for _, key in _planned(run):
        columns["error"][asked.places[key]] = NEVER
    for key, answer in _answers(run).items():
        _add(columns, asked.places[key], answer, limit)
    return columns


def _answers(run: Run) -> dict[str, Answer]:
    """The answer to each question; several replies are shown below each other, numbered from 1."""
    replies: dict[str, list[Answer]] = {}
    for prediction in sorted(run.predictions, key=lambda p: p.question.repeat):
        replies.setdefault(prediction.question.id, []).append(prediction.answer)
    return {key: _together(answers) for key, answers in replies.items()}


def _together(answers: Sequence[Answer]) -> Answer:
    first = answers[0]
    if len(answers) == 1 or all(answer.error is not None for answer in answers):
        return first
    texts = [answer.response if answer.error is None else answer.error for answer in answers]
    shown = "\n\n".join(f"[{number}] {text}" for number, text in enumerate(texts, start=1))
    return Answer(question_id=first.question_id, response=shown)


def graded_columns(run: Run, asked: Asked, protocols: Sequence[Protocol]) -> list[dict[str, Any]]:
    """Score, answer read and outcome per protocol; None for questions not in this run."""
    return [_graded(run, asked, protocol) for protocol in protocols]


def _graded(run: Run, asked: Asked, protocol: Protocol) -> dict[str, Any]:
    size = len(asked.questions)
    scores: list[float | None] = [None] * size
    read: list[str | None] = [None] * size
    outcomes: list[int | None] = [None] * size
    for grade in run.grades(protocol):
        place = asked.places[grade.id]
        scores[place] = int(grade.score) if grade.score in (0, 1) else round(grade.score, 4)
        read[place] = None if grade.read is None else visible(grade.read.removesuffix(".0"))
        outcomes[place] = OUTCOMES.index(grade.outcome)
    return {"score": scores, "read": read, "outcome": outcomes}


def _add(columns: dict[str, Any], place: int, answer: Answer, limit: int) -> None:
    shown = split(answer)
    whole = len(answer.response or "") + len((answer.parts or {}).get("thoughts", ""))
    columns["error"][place] = (
        None if answer.error is None else visible(shorten(answer.error, limit))
    )
    columns["reply"][place] = visible(shorten(shown.text, limit))
    columns["length"][place] = whole
    if shown.thoughts is not None:
        columns["thoughts"][place] = visible(shorten(shown.thoughts, limit))
    if max(len(shown.text), len(shown.thoughts or "")) > limit:
        columns["cut"][place] = whole
    stop = None if answer.stop is None else visible(answer.stop)
    facts = [stop, _finite(answer.new_tokens), _finite(answer.seconds)]
    if facts != [None] * len(facts):
        columns["facts"][place] = facts


def _finite(value: float | None) -> float | None:
    """Replace NaN and infinity, which JSON does not have, by None."""
    return None if value is None or not math.isfinite(value) else value


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))


def _planned(run: Run) -> Iterator[tuple[str, str]]:
    yield from ((video, key) for video, asked in run.planned.items() for key in asked)


def _texts(run: Run) -> Iterator[str]:
    for prediction in run.predictions:
        shown = split(prediction.answer)
        yield shown.text
        yield shown.thoughts or ""


# In a script element only these could end it or begin a comment, and the last two end a line of
# script; JSON has all of them in strings alone.
ESCAPES = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


@dataclass(frozen=True, kw_only=True)
class Block:
    """The content of one data element of the page, as escaped JSON."""

    id: str
    json: Markup

    @property
    def element(self) -> Markup:
        """Render the element; its id is not user input."""
        start = Markup('<script type="application/json" id="{}">').format(self.id)
        return start + self.json + Markup("</script>")


def as_block(name: str, value: Any) -> Block:
    """The value as JSON that cannot break out of its HTML element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character, escape in ESCAPES.items():
        text = text.replace(character, escape)
    return Block(id=name, json=Markup(text))  # noqa: S704  (escaped just now)


def data_blocks(report: Report, asked: Asked, limit: int) -> Iterator[Block]:
    """The data for the list and its filters, which the page parses when it opens."""
    yield as_block(
        "questions",
        {
            **_seen(columns(asked, report.rubric)),
            "runs": [visible(run.name) for run in report.runs],
            "protocols": [protocol.name for protocol in report.protocols],
            "outcomes": list(OUTCOMES),
            "base": report.base,
        },
    )
    for place, run in enumerate(report.runs):
        yield as_block(f"grades-{place}", graded_columns(run, asked, report.protocols))
    for place, run in enumerate(report.runs):
        yield as_block(f"replies-{place}", reply_columns(run, asked, limit))


def frame_block(place: int, strip: Strip) -> Block:
    """The frames of the video at this index, stored once for all its questions."""
    return as_block(f"frames-{place}", _frames(strip))


def _frames(strip: Strip) -> dict[str, Any]:
    if strip.error is not None:
        return {"error": visible(strip.error)}
    return {
        "images": [base64.b64encode(jpeg).decode("ascii") for jpeg in strip.jpegs],
        "seconds": [round(second, 2) for second in strip.seconds],
        "width": strip.width,
        "height": strip.height,
    }


def _seen(value: Any) -> Any:
    """Replace invisible characters in every text of the value."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [_seen(member) for member in value]
    if isinstance(value, dict):
        return {name: _seen(member) for name, member in value.items()}
    return value
