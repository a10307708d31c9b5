"""An audit whole: scores of every blind guesser, with intervals, and the bias of every question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vicabench.audits.constants import constants_of
from vicabench.audits.folds import BY_SCENE, RANDOM, folds_of
from vicabench.audits.pruning import Pruned
from vicabench.audits.stress import CHANCE, CONSTANT, FREQUENT, Stress, grade_of, without_beside
from vicabench.audits.texts import items_of
from vicabench.errors import DataError, counted
from vicabench.harnesses.protocols import Protocol
from vicabench.metrics import NUMERIC
from vicabench.results.run import Run
from vicabench.rubric import Rubric
from vicabench.scoring.compare import score_differences
from vicabench.scoring.stats import RESAMPLES, mean_of, score_run
from vicabench.types import Estimate, Grade, Question, Scores

COLUMNS = (CHANCE, FREQUENT, CONSTANT, RANDOM, BY_SCENE)


@dataclass(frozen=True, kw_only=True)
class Blind:
    """The answers of a run without sight, beside the forest.

    Attributes:
        scores: Its scores on the questions of the audit.
        minus: The run minus the forest with whole scenes held out, in points.
        biases: Its score on every question, in [0, 1], by id.
    """

    scores: Scores
    minus: Scores
    biases: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What can be answered without the video.

    Attributes:
        benchmark: Name, subset and revision of what was audited.
        stress: The guesses at every question.
        scores: By column, `chance`, `frequent`, `constant`, `random` and `scene`, in [0, 100].
        above: The forest with whole scenes held out minus chance, in points, question by question.
        blind: The answers of a run, if one was named.
        pruned: What is left after pruning, if that was asked for.
        published_kept: The ids that VSI-Bench-Debiased keeps, where all of VSI-Bench was audited.
    """

    benchmark: tuple[str, str, str]
    stress: Stress
    scores: Mapping[str, Scores]
    above: Scores
    blind: Blind | None = None
    pruned: Pruned | None = None
    published_kept: frozenset[str] = frozenset()

    @property
    def biases(self) -> dict[str, float]:
        """The bias of every question by id, in [0, 1]: that of the run, or else of the forest."""
        if self.blind is not None:
            return dict(self.blind.biases)
        pairs = zip(self.stress.items, self.stress.guesses[BY_SCENE], strict=True)
        return {item.question.id: guess.bias for item, guess in pairs}

    def ranked(self) -> list[int]:
        """The indices of the questions, the most guessable first; of equals, those that chance
        gives least, then by id."""
        biases, chance = self.biases, self.stress.constants[CHANCE]
        items = self.stress.items

        def place(n: int) -> tuple[float, float, str]:
            key = items[n].question.id
            return (-biases[key], chance[n], key)

        return sorted(range(len(items)), key=place)


def audit_of(
    benchmark: tuple[str, str, str], stress: Stress, *, resamples: int = RESAMPLES
) -> Audit:
    """Aggregate the guesses to scores with intervals."""
    grades = {name: stress.grades(name) for name in COLUMNS}
    scores = {
        name: score_run(found, model=name, rubric=stress.rubric, resamples=resamples)
        for name, found in grades.items()
    }
    pairs = list(zip(grades[CHANCE], grades[BY_SCENE], strict=True))
    above = score_differences(pairs, rubric=stress.rubric, resamples=resamples)
    return Audit(benchmark=benchmark, stress=stress, scores=scores, above=above)


def chance_scores(questions: Sequence[Question], rubric: Rubric) -> Scores:
    """The scores of chance on these questions: see `constants.Constants`."""
    rubric = without_beside(rubric)
    items = items_of(questions, rubric)
    grades: list[Grade] = []
    for task in rubric.tasks:
        mine = [item for item in items if item.question.task in task.types]
        if mine:
            outer_N = folds_of([item.scene for item in mine], 5, BY_SCENE, 0)
            chance_N = constants_of(mine, task, outer_N).chance_N
            pairs = zip(mine, chance_N, strict=True)
            grades += [grade_of(item.question, float(score), "") for item, score in pairs]
    return score_run(grades, model=CHANCE, rubric=rubric)


def blind_of(run: Run, protocol: Protocol, audited: Audit) -> Blind:
    """The answers of a run without sight to the questions of an audit.

    Raises:
        DataError: The run is unfinished, or was not asked exactly these questions.
    """
    if run.incomplete:
        raise DataError(f"{run.path} cannot stand beside an audit: it is {run.incomplete}.")
    grades = {grade.id: replace(grade, beside=()) for grade in run.grades(protocol)}
    forest = audited.stress.grades(BY_SCENE)
    lacking = [grade.id for grade in forest if grade.id not in grades]
    other = [g for g in forest if g.id in grades and g.task != grades[g.id].task]
    if lacking or other or len(grades) != len(forest):
        raise DataError(
            f"{run.path} has {counted(len(grades), 'question')}, and {audited.benchmark[0]} "
            f"{len(forest)}: {len(lacking)} of those are not in the run, and "
            f"{len(other)} have another type there. Audit the benchmark that the run was asked, "
            "with the same --tasks and --limit."
        )
    mine = [grades[grade.id] for grade in forest]
    rubric = audited.stress.rubric
    return Blind(
        scores=score_run(mine, model=run.name, rubric=rubric, notes=run.notes),
        minus=score_differences(
            list(zip(forest, mine, strict=True)), rubric=rubric, model=run.name
        ),
        biases={grade.id: grade.score for grade in mine},
    )


def by_kind(audited: Audit, column: str) -> dict[str, Estimate]:
    """The mean over all questions, over choices and over numbers, in [0, 100]."""
    grades = audited.stress.grades(column)
    of_type = audited.stress.rubric.of_type
    numeric = [of_type[grade.task].kind == NUMERIC for grade in grades]
    parts = {
        "overall": grades,
        "choice": [g for g, is_number in zip(grades, numeric, strict=True) if not is_number],
        "numeric": [g for g, is_number in zip(grades, numeric, strict=True) if is_number],
    }
    return {name: _mean(part) for name, part in parts.items() if part}


def _mean(grades: Sequence[Grade]) -> Estimate:
    videos = [grade.video for grade in grades]
    mean, low, high = mean_of([grade.score for grade in grades], videos)
    return Estimate(
        mean=100 * mean,
        low=100 * low,
        high=100 * high,
        count=len(grades),
        clusters=len(set(videos)),
    )
