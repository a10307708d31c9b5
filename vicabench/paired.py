"""Is run B better than run A? Paired differences over the questions that both were asked.

Two runs on the same questions succeed and fail on much the same ones, so the difference is known
far better than either score: it is taken question by question, and its interval comes from the
bootstrap over videos of `vicabench.stats`, both runs in the same resamples. The p-values are those
of a paired permutation over videos (`vicabench.permutation`), corrected over the tasks by Holm's
method. The overall scores are no part of that family: each is one question asked on its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vicabench.errors import DataError
from vicabench.permutation import FLIPS, Floats, holm, permutation_p
from vicabench.stats import RESAMPLES, score_run
from vicabench.types import FAILED, TASKS, Estimate, Grade, Question, Scores

OVERALL = "overall"
MICRO = "micro"
Pair = tuple[Grade, Grade]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """B minus A in points, in [-100, 100], with its 95% interval and its p-value.

    `estimate.failed` counts the questions that either run left without a reply. `p_holm` is
    corrected over the tasks; None for the overall scores, which are not in that family. `fixed`
    are the ids of the questions on which B scores more than A, `broke` of those where it scores
    less, in A's order.
    """

    estimate: Estimate
    p: float
    p_holm: float | None
    fixed: tuple[str, ...]
    broke: tuple[str, ...]

    @property
    def count(self) -> int:
        """Questions that the difference rests on."""
        return self.estimate.count

    @property
    def clusters(self) -> int:
        """Videos that the difference rests on."""
        return self.estimate.clusters


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Run B against run A on the `shared` questions; `only_a` and `only_b` more were left out.

    `scores_a` and `scores_b` are about the shared questions alone. `tasks` has those that have
    shared questions; `overall` is the difference of their unweighted means (macro), `micro` of
    the means over questions.
    """

    scores_a: Scores
    scores_b: Scores
    tasks: Mapping[str, Difference]
    overall: Difference
    micro: Difference
    shared: int
    only_a: int
    only_b: int
    notes: tuple[str, ...] = ()

    @property
    def model_a(self) -> str:
        """The reference."""
        return self.scores_a.model

    @property
    def model_b(self) -> str:
        """What is compared with the reference."""
        return self.scores_b.model

    @property
    def protocol(self) -> str:
        """The grading protocol of both runs, or both where they differ."""
        a, b = self.scores_a.protocol, self.scores_b.protocol
        return a if a == b else f"{a} (A), {b} (B)"


def compare_runs(
    grades_a: Sequence[Grade],
    grades_b: Sequence[Grade],
    *,
    model_a: str,
    model_b: str,
    notes: Iterable[str] = (),
    resamples: int = RESAMPLES,
    flips: int = FLIPS,
) -> Comparison:
    """Compare two runs on the questions they share, by id.

    The grades may be of two protocols, to see what the protocol alone does to one run. DataError
    if they share no question, if an id comes twice in a run, or if an id stands for questions of
    different videos or types.
    """
    by_id_a, by_id_b = _by_id(grades_a, model_a), _by_id(grades_b, model_b)
    pairs = [(a, by_id_b[key]) for key, a in by_id_a.items() if key in by_id_b]
    if not pairs:
        raise DataError(
            f"{model_a} and {model_b} share no question, so there is nothing to compare. Compare "
            "runs of the same benchmark."
        )
    for a, b in pairs:
        _check_same(a, b, model_a, model_b)
    shared_a, shared_b = ([pair[side] for pair in pairs] for side in (0, 1))
    between = score_run([_minus(a, b) for a, b in pairs], model="", resamples=resamples)
    found = _differences(pairs, between, flips)
    return Comparison(
        scores_a=score_run(shared_a, model=model_a, resamples=resamples),
        scores_b=score_run(shared_b, model=model_b, resamples=resamples),
        tasks={name: found[name] for name in between.tasks},
        overall=found[OVERALL],
        micro=found[MICRO],
        shared=len(pairs),
        only_a=len(by_id_a) - len(pairs),
        only_b=len(by_id_b) - len(pairs),
        notes=tuple(notes),
    )


def _by_id(grades: Sequence[Grade], model: str) -> dict[str, Grade]:
    found = {grade.id: grade for grade in grades}
    if len(found) != len(grades):
        raise DataError(f"{model} holds grades of the same question twice: leave one of each.")
    return found


def _check_same(a: Grade, b: Grade, model_a: str, model_b: str) -> None:
    if (a.video, a.task) != (b.video, b.task):
        raise DataError(
            f"Question {a.id} is {a.task} about {a.video} in {model_a}, and {b.task} about "
            f"{b.video} in {model_b}: these are not runs on the same questions. Compare runs of "
            "the same benchmark."
        )


def _minus(a: Grade, b: Grade) -> Grade:
    """A question with the difference of its scores: means and resamples are linear in a score."""
    outcome = FAILED if a.failed or b.failed else b.outcome
    return replace(b, score=b.score - a.score, outcome=outcome)


def _differences(pairs: Sequence[Pair], between: Scores, flips: int) -> dict[str, Difference]:
    names = list(between.tasks)
    estimates = {**between.tasks, OVERALL: between.overall, MICRO: between.micro}
    p = dict(zip(estimates, permutation_p(_parts(pairs), flips=flips).tolist(), strict=True))
    corrected = dict(zip(names, holm([p[name] for name in names]), strict=True))
    types = {task.name: task.types for task in TASKS}
    return {
        name: Difference(
            estimate=estimate,
            p=p[name],
            p_holm=corrected.get(name),
            fixed=tuple(a.id for a, b in pairs if b.score > a.score and _in(a, types.get(name))),
            broke=tuple(a.id for a, b in pairs if b.score < a.score and _in(a, types.get(name))),
        )
        for name, estimate in estimates.items()
    }


def _in(grade: Grade, types: Sequence[str] | None) -> bool:
    return types is None or grade.task in types


def _parts(pairs: Sequence[Pair]) -> Floats:
    """What each video adds to each difference: the tasks in `TASKS`' order, macro and micro."""
    videos = {video: row for row, video in enumerate(sorted({a.video for a, _ in pairs}))}
    columns = {kind: column for column, kind in enumerate(sorted({a.task for a, _ in pairs}))}
    sums_VK = np.zeros((len(videos), len(columns)))
    counts_K = np.zeros(len(columns))
    for a, b in pairs:
        sums_VK[videos[a.video], columns[a.task]] += b.score - a.score
        counts_K[columns[a.task]] += 1
    means_VK = sums_VK / counts_K
    groups = [[columns[k] for k in task.types if k in columns] for task in TASKS]
    tasks = [means_VK[:, group].mean(axis=1) for group in groups if group]
    macro, micro = np.mean(tasks, axis=0), sums_VK.sum(axis=1) / counts_K.sum()
    return np.stack([*tasks, macro, micro], axis=1)


def same_truth(one: Question, other: Question) -> bool:
    """Whether two runs' questions have equal ground truths, numbers as numbers: `3` is `3.0`."""
    try:
        return one.answer == other.answer or float(one.answer) == float(other.answer)
    except ValueError:
        return False
