"""Is run B better than run A? Paired differences, permutation tests, and published rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vicabench.errors import DataError
from vicabench.reference import Published
from vicabench.scoring.stats import RESAMPLES, score_run
from vicabench.types import FAILED, TASKS, Estimate, Grade, Question, Scores

FLIPS = 10_000
EXACT = 13
"""Up to so many videos that differ, all 2^13 = 8,192 assignments of signs are gone through."""
SEED = 0
BLOCK = 1_000
ROUNDING = 1e-9  # of the largest possible difference: what floats lose, far below one answer
Floats = NDArray[np.float64]


def permutation_p(parts_VS: Floats, *, flips: int = FLIPS) -> Floats:
    """The two-sided p-value of each statistic, in (0, 1].

    `parts_VS[v, s]` is what video v adds to difference s, so that a column sums to the difference.
    Videos that add nothing say nothing. With at most 13 others p is exact; else it comes from
    `flips` random assignments of signs, the same for all statistics, and is
    (1 + those at least as large) / (1 + flips), which keeps the test valid (Phipson and Smyth,
    "Permutation p-values should never be zero", 2010).
    """
    p_S = _random(parts_VS, flips)
    for s, parts_V in enumerate(parts_VS.T):
        told_V = parts_V[np.abs(parts_V) > ROUNDING * np.abs(parts_V).sum()]
        if len(told_V) <= EXACT:
            p_S[s] = _exact(told_V)
    return p_S


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number by Holm's step-down method (1979), in their order.

    Rejecting those at most alpha keeps the chance of any false rejection at alpha, however the
    tests depend on each other.
    """
    if not p_values:
        return []
    p_K = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_K, kind="stable")
    stepped = np.maximum.accumulate(p_K[order] * np.arange(len(p_K), 0, -1))
    corrected = np.empty_like(p_K)
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(p) for p in corrected]


def _exact(parts_V: Floats) -> float:
    videos = len(parts_V)
    bits = (np.arange(2**videos)[:, None] >> np.arange(videos)) & 1
    return float(np.mean(_as_large((1.0 - 2.0 * bits) @ parts_V[:, None], parts_V[:, None])))


def _random(parts_VS: Floats, flips: int) -> Floats:
    generator = np.random.default_rng(SEED)
    hits_S = np.zeros(parts_VS.shape[1])
    for start in range(0, flips, BLOCK):  # blocks, so that many videos need little memory
        shape = (min(BLOCK, flips - start), len(parts_VS))
        signs_BV = 1.0 - 2.0 * generator.integers(0, 2, size=shape)
        hits_S += _as_large(signs_BV @ parts_VS, parts_VS).sum(0)
    return np.asarray((1 + hits_S) / (1 + flips), dtype=np.float64)


def _as_large(drawn_RS: Floats, parts_VS: Floats) -> NDArray[np.bool_]:
    """Which drawn differences are at least as large as the observed one, rounding aside."""
    slack_S = ROUNDING * np.abs(parts_VS).sum(0)
    found: NDArray[np.bool_] = np.abs(drawn_RS) >= np.abs(parts_VS.sum(0)) - slack_S
    return found


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


@dataclass(frozen=True, kw_only=True)
class UnpairedComparison:
    """Our run minus a published row in points, for the figures that both have.

    The intervals are our run's, moved by the printed figure. `overall` is None where the row
    prints no average or our run lacks a task.
    """

    scores: Scores
    published: Published
    tasks: Mapping[str, Estimate]
    overall: Estimate | None
    notes: tuple[str, ...] = ()


def compare_published(
    scores: Scores, published: Published, *, notes: Iterable[str] = ()
) -> UnpairedComparison:
    """Subtract the printed figures of a published row from the estimates of a run."""
    printed = None if scores.missing else published.overall
    return UnpairedComparison(
        scores=scores,
        published=published,
        tasks={
            name: _less(estimate, published.tasks[name])
            for name, estimate in scores.tasks.items()
            if name in published.tasks
        },
        overall=None if printed is None else _less(scores.overall, printed),
        notes=tuple(notes),
    )


def _less(estimate: Estimate, printed: float) -> Estimate:
    return replace(
        estimate,
        mean=estimate.mean - printed,
        low=estimate.low - printed,
        high=estimate.high - printed,
    )
