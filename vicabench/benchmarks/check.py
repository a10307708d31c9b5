"""What is wrong with the questions of a benchmark, and what they are like, before anyone is asked.

Every bad row is listed with its place, not only the first; nothing here asks a model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from vicabench.benchmarks import custom, own, tables
from vicabench.benchmarks.loading import question_of
from vicabench.benchmarks.paths import video_file
from vicabench.errors import DataError, counted
from vicabench.metrics import CHOICE, NUMERIC, YES_NO, normalized
from vicabench.rubric import OFFICIAL, VSI, Rubric, Task
from vicabench.types import Question

UNEVEN = 1.5
"""How often the most frequent letter may occur, relative to an even spread, without a note."""
MOST_CANDIDATES = 200
"""The most constants that are tried for the best one; of more, evenly spread quantiles."""


@dataclass(frozen=True, kw_only=True)
class TaskSummary:
    """The questions of a task.

    `truths` describes the right answers, `chance` is the score of guessing among the options,
    `frequent` and `constant` those of the most frequent and of the best constant answer, in
    [0, 100]; None where a task has none.
    """

    task: Task
    questions: int
    videos: int
    truths: str
    chance: float | None
    frequent: float
    constant: float


@dataclass(frozen=True, kw_only=True)
class Examination:
    """The problems of a benchmark, each with its place, and a summary of its questions.

    `official` is the grading protocol of its own code, which is not looked up here.
    """

    name: str
    questions: int
    videos: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    tasks: tuple[TaskSummary, ...]
    revision: str = ""
    official: str = OFFICIAL


@dataclass(kw_only=True)
class _Rows:
    """Questions with their places, and the problems of all other rows."""

    questions: list[tuple[str, Question]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


Watch = Callable[[Path], str | None]
"""Why a video cannot be decoded; None if it can."""


def examine(path: Path, videos: Path | None = None, *, watch: Watch) -> Examination:
    """Read every row of a folder with `benchmark.yaml`, or of a file of questions.

    `watch` is called once for each video that is there.

    Raises:
        DataError: For a description, or a file, that cannot be read at all.
    """
    if custom.is_described(str(path)):
        file = path if path.name == custom.FILE else path / custom.FILE
        described = custom.read(file)
        rows, revision = custom.questions_of(file, described, every=True)
        folder = videos or file.parent / described.videos
        read = _read(rows, described.rubric, described.index_from)
        name, rubric = described.name, described.rubric
    else:
        read = _read(tables.file_rows(path, every=True), VSI, None)
        name, rubric, revision = path.name, VSI, own.digest(path)
        folder = videos or path.parent
    done = _examined(name, revision, read, rubric)
    missing = _videos(folder, read.questions, watch)
    return replace(done, problems=(*done.problems, *missing))


def _read(rows: Iterable[tuple[str, object]], rubric: Rubric, index_from: int | None) -> _Rows:
    read = _Rows()
    places: dict[str, str] = {}
    try:
        for place, row in rows:
            try:
                question = question_of(row, rubric, index_from)
            except DataError as error:
                read.problems.append(f"{place}: {error}")
                continue
            if question.id in places:
                read.problems.append(
                    f"{place}: the id {question.id!r} is taken by {places[question.id]}."
                )
            places.setdefault(question.id, place)
            read.questions.append((place, question))
    except DataError as error:  # a table that ends in the middle of a row, say
        read.problems.append(str(error))
    return read


def _examined(name: str, revision: str, read: _Rows, rubric: Rubric) -> Examination:
    questions = [question for _, question in read.questions]
    by_task: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        by_task[rubric.of_type[question.task].name].append(question)
    tasks = [task for task in rubric.tasks if by_task[task.name]]
    return Examination(
        name=name,
        revision=revision,
        official=rubric.official,
        questions=len(questions),
        videos=len({question.video for question in questions}),
        problems=(
            *read.problems,
            *_repeated(read.questions, rubric),
        ),
        notes=(
            *(
                f"no questions of the task {task.name}"
                for task in rubric.tasks
                if task not in tasks and rubric != VSI
            ),
            *(note for task in tasks for note in _notes(task, by_task[task.name])),
        ),
        tasks=tuple(_summary(task, by_task[task.name]) for task in tasks),
    )


def _repeated(placed: Sequence[tuple[str, Question]], rubric: Rubric) -> Iterator[str]:
    """Questions that several rows ask about one video, and whether their truths agree."""
    first: dict[tuple[str, str, str, tuple[str, ...]], tuple[str, Question]] = {}
    for place, question in placed:
        options = tuple(sorted(normalized(option[2:]) for option in question.options))
        task = rubric.of_type[question.task]
        key = (task.name, question.video, normalized(question.text), options)
        if key not in first:
            first[key] = place, question
            continue
        before, other = first[key]
        if _right(question, task) == _right(other, task):
            yield f"{place}: the same question about the same video as {before}."
        else:
            yield (
                f"{place}: the same question about the same video as {before}, with another "
                f"ground truth ({_shown(question)} and {_shown(other)}). Correct one of them."
            )


def _right(question: Question, task: Task) -> frozenset[str | float]:
    """The right answers by value, so that neither spelling nor order of options matters."""
    if task.kind == NUMERIC:
        return frozenset(map(float, question.answers))
    texts = {option[0]: normalized(option[2:]) for option in question.options}
    return frozenset(texts.get(answer, normalized(answer)) for answer in question.answers)


def _shown(question: Question) -> str:
    texts = {option[0]: option[2:].strip() for option in question.options}
    return ", ".join(texts.get(answer, answer) for answer in question.answers)[:60]


def _videos(folder: Path, placed: Sequence[tuple[str, Question]], watch: Watch) -> Iterator[str]:
    """Videos that are missing, or whose container cannot be read."""
    first: dict[str, str] = {}
    asked = Counter(question.video for _, question in placed)
    for place, question in placed:
        first.setdefault(question.video, place)
    for video, place in first.items():
        file = video_file(folder, video)
        about = counted(asked[video], "question")
        if not file.is_file():
            yield f"{place}: the video {file} is missing ({about})."
        elif reason := watch(file):
            yield f"{place}: the video cannot be decoded ({about}): {reason}"


def _notes(task: Task, questions: Sequence[Question]) -> Iterator[str]:
    if task.kind not in (CHOICE, YES_NO):
        return
    letters = Counter(question.answer for question in questions)
    letter, most = letters.most_common(1)[0]
    among = [len(q.options) or 2 for q in questions if not q.options or _has(q, letter)]
    share, even = most / len(questions), sum(1 / size for size in among) / len(questions)
    if len(questions) >= 10 and share > UNEVEN * even:
        yield (
            f"{task.title}: {letter} is the right answer of {100 * share:.0f}% of "
            f"{counted(len(questions), 'question')}; evenly spread it would be {100 * even:.0f}%"
        )


def _has(question: Question, letter: str) -> bool:
    return any(option.startswith(f"{letter}.") for option in question.options)


def _summary(task: Task, questions: Sequence[Question]) -> TaskSummary:
    return TaskSummary(
        task=task,
        questions=len(questions),
        videos=len({question.video for question in questions}),
        truths=_truths(task, questions),
        chance=_chance(task, questions),
        frequent=_constant_score(task, questions, [_most_frequent(questions)]),
        constant=_constant_score(task, questions, _candidates(task, questions)),
    )


def _truths(task: Task, questions: Sequence[Question]) -> str:
    if task.kind == NUMERIC:
        values = sorted(float(question.answer) for question in questions)
        unit = f" {task.unit}" if task.unit else ""
        return f"{values[0]:g} to {values[-1]:g}{unit}, median {median(values):g}"
    shares = Counter(question.answer for question in questions)
    named = sorted(shares.items()) if task.kind == CHOICE else shares.most_common()
    texts = [f"{answer} {100 * n / len(questions):.0f}%" for answer, n in named[:6]]
    return ", ".join(texts) + (", …" if len(named) > 6 else "")


def _chance(task: Task, questions: Sequence[Question]) -> float | None:
    if task.kind == YES_NO:
        return 50.0
    if task.kind != CHOICE:
        return None
    return 100 * sum(len(q.answers) / len(q.options) for q in questions) / len(questions)


def _most_frequent(questions: Sequence[Question]) -> str:
    counts = Counter(question.answer for question in questions)
    return min(counts, key=lambda answer: (-counts[answer], answer))


def _candidates(task: Task, questions: Sequence[Question]) -> list[str]:
    """Answers to try as a constant: those of the questions, or evenly spread ones of many."""
    answers = sorted({q.answer for q in questions}, key=float if task.kind == NUMERIC else None)
    step = max(1, len(answers) // MOST_CANDIDATES)
    return [*answers[::step], _most_frequent(questions)]


def _constant_score(task: Task, questions: Sequence[Question], constants: Sequence[str]) -> float:
    """The best mean score, in [0, 100], of answering every question with one of these."""
    groups: Mapping[tuple[tuple[str, ...], int], int] = Counter(
        (question.answers, len(question.options)) for question in questions
    )

    def score(constant: str) -> float:
        return sum(
            n * max(task.scored_by.score(constant, truth, options) for truth in truths)
            for (truths, options), n in groups.items()
        )

    return 100 * max(map(score, dict.fromkeys(constants))) / len(questions)
