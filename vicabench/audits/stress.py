"""The Test-set Stress-Test: how much of a benchmark can be answered from its own texts.

After arXiv 2511.04655: a model is fitted on most of the test set, without any video, and guesses
the rest; every question is guessed once. Folds are random, or hold out all questions of a scene at
once, without which other questions about the same scene give it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vicabench.audits import choices, numbers
from vicabench.audits.constants import Constants, constants_of
from vicabench.audits.folds import BY_SCENE, KINDS, RANDOM, Ints, folds_of
from vicabench.audits.statistics import HELD_OUT, Floats
from vicabench.audits.texts import THINGS, Item, items_of, score_of
from vicabench.errors import DataError
from vicabench.metrics import FREE, NUMERIC
from vicabench.rubric import Rubric, Task
from vicabench.types import ANSWERED, Grade, Question

FOLDS, INNER, TREES, SEED = 5, 10, 100, 42
"""Folds and seed as in the paper; the inner folds are those of the statistics."""
CHANCE, FREQUENT, CONSTANT = "chance", "frequent", "constant"
NOTHING, SEVERAL = "nothing", "several features that say the same"
LEAST_LOST = 0.02
"""The probability or score that a feature has to be worth to be named as the reason."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the model is fitted: `trees` for choices, twice as many for numbers."""

    folds: int = FOLDS
    seed: int = SEED
    trees: int = TREES


@dataclass(frozen=True, kw_only=True)
class Guess:
    """What a forest answers to a question that it was not fitted on.

    Attributes:
        answer: The guess, as it is graded.
        score: Its score, in [0, 1].
        bias: The sample's bias: the probability that the forest gives the right option, or the
            score of the guessed number, in [0, 1].
        lost: By group of features, the bias that is lost without the group.
    """

    answer: str
    score: float
    bias: float
    lost: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Stress:
    """All guesses at a benchmark.

    `items` are sorted by id; `guesses` has, by kind of folds, a guess for each of them, and
    `constants` by name the scores of chance and constants, which hold out whole scenes.
    """

    rubric: Rubric
    settings: Settings
    items: tuple[Item, ...]
    guesses: Mapping[str, tuple[Guess, ...]]
    constants: Mapping[str, tuple[float, ...]]

    def grades(self, name: str) -> list[Grade]:
        """The grades of a column: `random`, `scene`, `chance`, `frequent` or `constant`."""
        if name in self.guesses:
            scores = [(guess.score, guess.answer) for guess in self.guesses[name]]
        else:
            scores = [(score, "") for score in self.constants[name]]
        return [
            grade_of(item.question, score, read)
            for item, (score, read) in zip(self.items, scores, strict=True)
        ]

    def reason(self, place: int, kind: str = BY_SCENE) -> str:
        """What gives the question at this index away, in words."""
        guess, item = self.guesses[kind][place], self.items[place]
        known = reason_of(guess, item)
        if not item.answers:
            as_good = self.constants[CONSTANT][place] >= guess.score or known == NOTHING
            known = f"the constant answer {guess.answer}" if as_good else known
            return known if guess.score else NOTHING
        if known == NOTHING and guess.bias > self.constants[CHANCE][place] + LEAST_LOST:
            return SEVERAL
        return known


def grade_of(question: Question, score: float, read: str) -> Grade:
    """A score as a grade, with which `score_run` computes means and intervals."""
    return Grade(
        id=question.id,
        video=question.scene or question.video,
        task=question.task,
        protocol="audit",
        read=read,
        score=score,
        outcome=ANSWERED,
        group=question.group,
    )


def reason_of(guess: Guess, item: Item) -> str:
    """The group of features that a guess loses most by, with what it is about."""
    group = max(guess.lost, key=lambda name: guess.lost[name], default="")
    if not group or guess.lost[group] < LEAST_LOST:
        return NOTHING
    if group == THINGS:
        return f"{group} ({', '.join(item.things)})"
    place = int(np.argmax(item.gains)) if item.gains else 0
    if group == choices.PLACE:
        return f"{group} ({item.answers[place]})"
    if item.texts and group in (choices.TEXT, choices.RIVALS, choices.PARTS):
        return f"{group} ({item.texts[place]})"
    return group


def without_beside(rubric: Rubric) -> Rubric:
    """The rubric without the metrics that stand beside scores."""
    return replace(rubric, tasks=tuple(replace(task, beside=()) for task in rubric.tasks))


def stress(
    questions: Iterable[Question],
    rubric: Rubric,
    settings: Settings | None = None,
    *,
    kinds: Sequence[str] = KINDS,
    reasons: bool = True,
    progress: Progress | None = None,
) -> Stress:
    """Guess every question from the texts and answers of the others.

    Without `reasons` it is not measured what the guesses owe to which features, which takes most
    of the time.

    Raises:
        DataError: There are fewer than two questions.
    """
    settings, rubric = settings or Settings(), without_beside(rubric)
    items = items_of(questions, rubric)
    if len(items) < 2:
        raise DataError("An audit needs two questions or more, each guessed from the others.")
    places = [
        (task, [n for n, item in enumerate(items) if item.question.task in task.types])
        for task in rubric.tasks
    ]
    asked = [(task, rows) for task, rows in places if rows]
    guesses: dict[str, list[Guess]] = {kind: [_NONE] * len(items) for kind in kinds}
    constants = {name: [0.0] * len(items) for name in (CHANCE, FREQUENT, CONSTANT)}
    steps = [(task, rows, kind) for task, rows in asked for kind in kinds]
    for step, (task, rows, kind) in enumerate(steps):
        mine = [items[row] for row in rows]
        known = constants_of(mine, task, _outer(mine, settings, BY_SCENE))
        for row, guess in zip(
            rows, guessed(mine, task, settings, kind, known, reasons), strict=True
        ):
            guesses[kind][row] = guess
        for name, scores in _named(known).items():
            for row, score in zip(rows, scores, strict=True):
                constants[name][row] = float(score)
        if progress:
            progress(step + 1, len(steps))
    return Stress(
        rubric=rubric,
        settings=settings,
        items=tuple(items),
        guesses={kind: tuple(found) for kind, found in guesses.items()},
        constants={name: tuple(scores) for name, scores in constants.items()},
    )


_NONE = Guess(answer="", score=0.0, bias=0.0, lost={})


def _named(known: Constants) -> dict[str, Floats]:
    return {CHANCE: known.chance_N, FREQUENT: known.frequent_N, CONSTANT: known.constant_N}


def _outer(items: Sequence[Item], settings: Settings, kind: str) -> Ints:
    return folds_of([item.scene for item in items], settings.folds, kind, settings.seed)


def guessed(
    items: Sequence[Item],
    task: Task,
    settings: Settings,
    kind: str,
    known: Constants,
    reasons: bool,
) -> list[Guess]:
    """A guess at every question of a task; the constant's where there is nothing to learn from."""
    outer_N = _outer(items, settings, kind)
    guesses = [
        Guess(answer=answer, score=float(score), bias=float(score), lost={})
        for answer, score in zip(known.answers, known.constant_N, strict=True)
    ]
    if task.kind == FREE:
        return guesses
    guesser = _Numbers(items, task) if task.kind == NUMERIC else _Choices(items)
    for fold in range(int(outer_N.max()) + 1):
        fitted_N = outer_N != fold
        scenes = [item.scene for item, fitted in zip(items, fitted_N, strict=True) if fitted]
        if len(scenes) < 2:
            continue
        inner_N = np.full(len(items), HELD_OUT, dtype=np.int64)
        inner_N[fitted_N] = folds_of(scenes, INNER, kind, settings.seed + 1)
        for row, guess in guesser.guess(inner_N, settings, reasons):
            guesses[row] = guess
    return guesses


class _Numbers:
    """Guesses at the numbers of a task."""

    def __init__(self, items: Sequence[Item], task: Task) -> None:
        self.items, self.task = items, task
        self.answers = numbers.answers_of(items, task)
        self.features = numbers.features_of(self.answers)

    def guess(
        self, inner_N: Ints, settings: Settings, reasons: bool
    ) -> Iterable[tuple[int, Guess]]:
        found = numbers.guess(
            self.answers,
            self.features,
            inner_N,
            trees=2 * settings.trees,
            seed=settings.seed,
            reasons=reasons,
        )
        for row in np.flatnonzero(inner_N == HELD_OUT).tolist():
            answer = self.answers.spelled[found.guesses_N[row]]
            score = score_of(self.task, answer, self.items[row].question)
            lost = {name: float(lost_N[row]) for name, lost_N in found.lost.items()}
            yield row, Guess(answer=answer, score=score, bias=score, lost=lost)


class _Choices:
    """Guesses at the choices of a task."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.slots = choices.slots_of(items)
        self.features = choices.features_of(self.slots)

    def guess(
        self, inner_N: Ints, settings: Settings, reasons: bool
    ) -> Iterable[tuple[int, Guess]]:
        found = choices.guess(
            self.slots,
            self.features,
            inner_N,
            trees=settings.trees,
            seed=settings.seed,
            reasons=reasons,
        )
        for row in np.flatnonzero(inner_N == HELD_OUT).tolist():
            item, start = self.items[row], self.slots.starts[row]
            shares = found.shares_S[start : start + len(item.answers)]
            place = int(np.argmax(shares))
            yield (
                int(row),
                Guess(
                    answer=item.answers[place],
                    score=item.gains[place],
                    bias=float(shares @ np.asarray(item.gains)),
                    lost={name: float(lost_N[row]) for name, lost_N in found.lost.items()},
                ),
            )


def telling(made: Stress, task: Task, kind: str = BY_SCENE) -> list[tuple[str, float]]:
    """The groups of features of a task with the mean bias that is lost without each, largest first.

    In [0, 100]. What scores of a numeric task owe to the constant answer is in none of them.
    """
    mine = [
        guess
        for item, guess in zip(made.items, made.guesses[kind], strict=True)
        if item.question.task in task.types
    ]
    names = dict.fromkeys(name for guess in mine for name in guess.lost)
    means = [(name, 100 * float(np.mean([g.lost.get(name, 0.0) for g in mine]))) for name in names]
    return sorted(means, key=lambda pair: -pair[1])


__all__ = ["BY_SCENE", "KINDS", "RANDOM", "Guess", "Settings", "Stress", "stress", "telling"]
