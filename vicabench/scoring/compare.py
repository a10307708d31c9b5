"""Paired differences of two runs, or of a run and a published row, with their certainty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vicabench.errors import DataError
from vicabench.reference import Published
from vicabench.rubric import VARIANTS, VSI, Rubric
from vicabench.scoring.clusters import LEVEL, Clusters, detectable
from vicabench.scoring.stats import RESAMPLES, score_run, variant_grades
from vicabench.types import FAILED, Estimate, Grade, Question, Scores

FLIPS = 10_000
EXACT = 13
"""The most differing videos for which all 2^13 = 8,192 assignments of signs are enumerated."""
SEED = 0
BLOCK = 1_000
ROUNDING = 1e-9  # relative to the largest possible difference: far below the effect of one answer
Floats = NDArray[np.float64]


def permutation_p(parts_VS: Floats, *, flips: int = FLIPS) -> Floats:
    """The two-sided p-value of each statistic, in (0, 1].

    Videos that contribute nothing carry no information. If at most 13 videos contribute, p is
    exact; otherwise it is (1 + count of draws at least as large) / (1 + flips), which keeps the
    test valid (Phipson and Smyth, "Permutation p-values should never be zero", 2010).

    Args:
        parts_VS: The contribution of each of V videos to each of S differences; a column sums to
            its difference.
        flips: How many random assignments of signs to draw; all statistics share them.
    """
    p_S = _random(parts_VS, flips)
    for s, parts_V in enumerate(parts_VS.T):
        nonzero_V = parts_V[np.abs(parts_V) > ROUNDING * np.abs(parts_V).sum()]
        if len(nonzero_V) <= EXACT:
            p_S[s] = _exact(nonzero_V)
    return p_S


def equivalence_p(
    parts_VS: Floats, weights_VS: Floats, margin: float, *, flips: int = FLIPS
) -> Floats:
    """The p-value of each difference against one of at least `margin`, in (0, 1].

    Two one-sided tests by random signs: the larger p-value of the differences less the margin,
    which should be below 0, and plus the margin, which should be above 0 (Schuirmann, 1987).

    Args:
        parts_VS: As in `permutation_p`.
        weights_VS: What a value of 1 for every question would contribute; columns sum to 1.
        margin: In the unit of the differences.
        flips: How many random assignments of signs to draw.
    """
    shift_VS = margin * weights_VS
    above_S = _random(parts_VS + shift_VS, flips, sides=1)
    below_S = _random(shift_VS - parts_VS, flips, sides=1)
    return np.asarray(np.maximum(above_S, below_S), dtype=np.float64)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for multiple tests by Holm's step-down method (1979), in input order.

    Rejecting all that are at most alpha bounds the chance of any false rejection by alpha, however
    the tests depend on each other.
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


def _random(parts_VS: Floats, flips: int, sides: int = 2) -> Floats:
    generator = np.random.default_rng(SEED)
    hits_S = np.zeros(parts_VS.shape[1])
    for start in range(0, flips, BLOCK):  # blocks bound the memory for many videos
        shape = (min(BLOCK, flips - start), len(parts_VS))
        signs_BV = 1.0 - 2.0 * generator.integers(0, 2, size=shape)
        drawn_BS = signs_BV @ parts_VS
        hits_S += _as_large(drawn_BS, parts_VS, sides).sum(0)
    return np.asarray((1 + hits_S) / (1 + flips), dtype=np.float64)


def _as_large(drawn_RS: Floats, parts_VS: Floats, sides: int = 2) -> NDArray[np.bool_]:
    """Which drawn differences are at least as large as the observed one, up to rounding."""
    slack_S, observed_S = ROUNDING * np.abs(parts_VS).sum(0), parts_VS.sum(0)
    if sides == 2:
        drawn_RS, observed_S = np.abs(drawn_RS), np.abs(observed_S)
    large_RS: NDArray[np.bool_] = drawn_RS >= observed_S - slack_S
    return large_RS


OVERALL = "overall"
MICRO = "micro"
Pair = tuple[Grade, Grade]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """B minus A in points, in [-100, 100], with its 95% interval and its p-value.

    Attributes:
        estimate: The difference; `failed` counts the questions without a reply in either run.
        p: The p-value of the permutation test.
        p_holm: The p-value corrected over the tasks; None for the overall scores, which are not
            in that family.
        fixed: Ids of the questions on which B scores higher than A, in A's order.
        broke: Ids of the questions on which B scores lower than A, in A's order.
        detectable: The true difference in points that this comparison shows with 80% power; for
            tasks at the level that Holm's method leaves to those not decided. NaN with too few
            videos.
        p_equivalent: The p-value of the test that the true difference is within the margin; None
            without a margin.
    """

    estimate: Estimate
    p: float
    p_holm: float | None
    fixed: tuple[str, ...]
    broke: tuple[str, ...]
    detectable: float = float("nan")
    p_equivalent: float | None = None

    @property
    def count(self) -> int:
        """The number of compared questions."""
        return self.estimate.count

    @property
    def clusters(self) -> int:
        """The number of videos of the compared questions."""
        return self.estimate.clusters


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Run B against run A on the questions they share.

    Attributes:
        scores_a: Scores of A on the shared questions alone.
        scores_b: Scores of B on the shared questions alone.
        tasks: The difference in each task that has shared questions.
        overall: The difference of the rubric's headline scores.
        micro: The difference of the means over questions.
        shared: The number of shared questions.
        only_a: The number of questions left out because only A was asked them.
        only_b: The number of questions left out because only B was asked them.
        notes: What a reader of the comparison has to know.
        margin: The margin of the tests of equivalence in points; None without these tests.
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
    margin: float | None = None

    @property
    def model_a(self) -> str:
        """The name of the reference model."""
        return self.scores_a.model

    @property
    def model_b(self) -> str:
        """The name of the model that is compared with the reference."""
        return self.scores_b.model

    @property
    def protocol(self) -> str:
        """The grading protocol of both runs, or both protocols if they differ."""
        a, b = self.scores_a.protocol, self.scores_b.protocol
        return a if a == b else f"{a} (A), {b} (B)"


def compare_runs(
    grades_a: Sequence[Grade],
    grades_b: Sequence[Grade],
    *,
    model_a: str,
    model_b: str,
    rubric: Rubric = VSI,
    notes: Iterable[str] = (),
    resamples: int = RESAMPLES,
    flips: int = FLIPS,
    margin: float | None = None,
) -> Comparison:
    """Compare two runs on the questions they share, by id.

    The grades may come from two protocols, to see the effect of the protocol alone on one run.
    With a `margin` in points, each difference is also tested to be smaller than it.

    Raises:
        DataError: The runs share no question, a run has an id twice, or an id stands for
            questions of different videos or types.
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
    between = score_differences(pairs, rubric=rubric, resamples=resamples)
    differences = _differences(pairs, between, flips, margin)
    return Comparison(
        scores_a=score_run(shared_a, model=model_a, rubric=rubric, resamples=resamples),
        scores_b=score_run(shared_b, model=model_b, rubric=rubric, resamples=resamples),
        tasks={name: differences[name] for name in between.tasks},
        overall=differences[OVERALL],
        micro=differences[MICRO],
        shared=len(pairs),
        only_a=len(by_id_a) - len(pairs),
        only_b=len(by_id_b) - len(pairs),
        notes=tuple(notes),
        margin=margin,
    )


def _by_id(grades: Sequence[Grade], model: str) -> dict[str, Grade]:
    by_id = {grade.id: grade for grade in grades}
    if len(by_id) != len(grades):
        raise DataError(f"{model} holds grades of the same question twice. Remove one of each.")
    return by_id


def _check_same(a: Grade, b: Grade, model_a: str, model_b: str) -> None:
    if (a.video, a.task) != (b.video, b.task):
        raise DataError(
            f"Question {a.id} is {a.task} about {a.video} in {model_a}, and {b.task} about "
            f"{b.video} in {model_b}: these are not runs on the same questions. Compare runs of "
            "the same benchmark."
        )


def score_differences(
    pairs: Sequence[Pair], *, rubric: Rubric, model: str = "", resamples: int = RESAMPLES
) -> Scores:
    """The estimates of B minus A, for pairs of grades (A, B) of the same questions."""

    def variants(at_least: int) -> list[Grade]:
        a, b = (variant_grades([pair[side] for pair in pairs], at_least) for side in (0, 1))
        return [_minus(one, other) for one, other in zip(a, b, strict=True)]

    grades = [_minus(a, b) for a, b in pairs]
    return score_run(grades, model=model, rubric=rubric, resamples=resamples, variants=variants)


def _minus(a: Grade, b: Grade) -> Grade:
    """A grade whose score is B's minus A's: means and resamples are linear in the score."""
    outcome = FAILED if a.failed or b.failed else b.outcome
    beside = tuple(two - one for one, two in zip(a.beside, b.beside, strict=True))
    return replace(b, score=b.score - a.score, outcome=outcome, beside=beside)


def _differences(
    pairs: Sequence[Pair], between: Scores, flips: int, margin: float | None
) -> dict[str, Difference]:
    names = list(between.tasks)
    estimates = {**between.tasks, OVERALL: between.overall, MICRO: between.micro}
    table = Clusters.of(((a, b.score - a.score) for a, b in pairs), between.rubric)
    parts_VS = _parts(pairs, between, table)
    p = dict(zip(estimates, permutation_p(parts_VS, flips=flips).tolist(), strict=True))
    corrected = dict(zip(names, holm([p[name] for name in names]), strict=True))
    shown = dict(zip(estimates, _detectable(table, corrected), strict=True))
    same: Sequence[float | None] = [None] * len(estimates)
    if margin is not None:
        weights_VS = table.ones().contributions()
        same = equivalence_p(parts_VS, weights_VS, margin / 100, flips=flips).tolist()
    equivalent = dict(zip(estimates, same, strict=True))
    types = {task.name: task.types for task in between.rubric.tasks}
    return {
        name: Difference(
            estimate=estimate,
            p=p[name],
            p_holm=corrected.get(name),
            fixed=tuple(a.id for a, b in pairs if b.score > a.score and _in(a, types.get(name))),
            broke=tuple(a.id for a, b in pairs if b.score < a.score and _in(a, types.get(name))),
            detectable=shown[name],
            p_equivalent=equivalent[name],
        )
        for name, estimate in estimates.items()
    }


def _detectable(table: Clusters, corrected: Mapping[str, float]) -> list[float]:
    """The difference in points that each comparison could have shown: see `Difference`."""
    left = sum(p > LEVEL for p in corrected.values()) or 1
    levels = [LEVEL / left] * len(corrected) + [LEVEL] * 2
    errors_S, videos_S = 100 * table.errors(), table.asking()
    return [
        detectable(float(error), int(videos), level=level)
        for error, videos, level in zip(errors_S, videos_S, levels, strict=True)
    ]


def _in(grade: Grade, types: Sequence[str] | None) -> bool:
    return types is None or grade.task in types


def _parts(pairs: Sequence[Pair], between: Scores, table: Clusters) -> Floats:
    """The contribution of each video to each difference: tasks in order, headline, micro."""
    parts_VS = table.contributions()
    headline = between.rubric.headline
    if headline.how == VARIANTS:
        parts_VS[:, len(table.tasks)] = _variant_parts(pairs, headline.at_least, table.videos)
    return parts_VS


def _variant_parts(pairs: Sequence[Pair], at_least: int, videos: Mapping[str, int]) -> Floats:
    """The contribution of each video to the difference in groups of questions: shape (V,)."""
    a, b = (variant_grades([pair[side] for pair in pairs], at_least) for side in (0, 1))
    parts_V = np.zeros(len(videos))
    for one, other in zip(a, b, strict=True):
        parts_V[videos[one.video]] += (other.score - one.score) / len(a)
    return parts_V


def same_truth(one: Question, other: Question) -> bool:
    """Whether the ground truths of two questions are equal; numbers by value: `3` is `3.0`."""
    try:
        return one.answer == other.answer or float(one.answer) == float(other.answer)
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class UnpairedComparison:
    """Our run minus a published row, in points, for the scores that both have.

    The intervals are those of our run, shifted by the published score, which has none. `overall`
    is None if the row has no published average or our run lacks a task.
    """

    scores: Scores
    published: Published
    tasks: Mapping[str, Estimate]
    overall: Estimate | None
    notes: tuple[str, ...] = ()


def compare_published(
    scores: Scores, published: Published, *, notes: Iterable[str] = ()
) -> UnpairedComparison:
    """Subtract the scores of a published row from the estimates of a run."""
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
