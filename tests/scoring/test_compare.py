"""Comparing two runs: the difference, the coverage of its intervals, and its p-values."""

import math
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from scipy.stats import kstest

from tests.simulation import TRUTH, simulated_runs
from vicabench.errors import DataError
from vicabench.scoring.compare import Comparison, Difference, compare_runs
from vicabench.types import ANSWERED, FAILED, Estimate, Grade, Scores

EASY, HARD = "object_rel_direction_easy", "object_rel_direction_hard"


def graded(
    key: str, score: float, *, task: str = "object_counting", video: str | None = None
) -> Grade:
    return Grade(
        id=key,
        video=video or f"v{key}",
        task=task,
        protocol="official",
        read="1",
        score=score,
        outcome=ANSWERED,
    )


def compared(a: list[Grade], b: list[Grade]) -> Comparison:
    return compare_runs(a, b, model_a="A", model_b="B")


def test_a_difference_is_b_minus_a_by_task_macro_and_micro() -> None:
    a = [graded("1", 0.2), graded("2", 0.6)]
    a += [graded("3", 0.0, task=EASY), graded("4", 1.0, task=EASY), graded("5", 0.0, task=HARD)]
    b = [replace(g, score=s) for g, s in zip(a, (0.4, 0.5, 1.0, 1.0, 0.0), strict=True)]
    comparison = compared(a, b)
    means = {name: d.estimate.mean for name, d in comparison.tasks.items()}
    assert means == pytest.approx({"object_counting": 5.0, "object_rel_direction": 25.0})
    assert comparison.overall.estimate.mean == pytest.approx((5.0 + 25.0) / 2)
    assert comparison.micro.estimate.mean == pytest.approx(100 * fmean([0.2, -0.1, 1.0, 0.0, 0.0]))
    assert (comparison.overall.fixed, comparison.overall.broke) == (("1", "3"), ("2",))
    assert comparison.tasks["object_rel_direction"].fixed == ("3",)
    assert (comparison.scores_a.overall.mean, comparison.scores_b.overall.mean) == pytest.approx(
        (32.5, 47.5)
    )


def test_only_shared_questions_are_compared_whatever_their_order() -> None:
    a = [graded("1", 0.0), graded("2", 1.0), graded("3", 1.0)]
    b = [graded("9", 0.0), graded("2", 1.0), graded("1", 1.0)]
    comparison = compared(a, b)
    assert (comparison.shared, comparison.only_a, comparison.only_b) == (2, 1, 1)
    assert comparison.overall.estimate.mean == pytest.approx(50.0)
    assert comparison.scores_a.overall.count == 2


def test_questions_without_a_reply_in_either_run_are_counted() -> None:
    a = [graded("1", 0.0), graded("2", 1.0)]
    b = [graded("1", 1.0), replace(graded("2", 0.0), outcome=FAILED, read=None)]
    assert compared(a, b).overall.estimate.failed == 1


def test_runs_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(DataError, match="share no question"):
        compared([graded("1", 0.0)], [graded("2", 0.0)])
    with pytest.raises(DataError, match=r"Question 1 is .* about v1 in A, .* v2 in B"):
        compared([graded("1", 0.0)], [graded("1", 0.0, video="v2")])
    with pytest.raises(DataError, match="twice"):
        compared([graded("1", 0.0)] * 2, [graded("1", 0.0)])


def test_a_run_does_not_differ_from_itself() -> None:
    run = [graded(str(v), v % 2) for v in range(30)]
    comparison = compared(run, run)
    assert (comparison.overall.estimate.low, comparison.overall.estimate.high) == (0.0, 0.0)
    assert (comparison.overall.p, comparison.tasks["object_counting"].p_holm) == (1.0, 1.0)


def test_holm_corrects_over_tasks_without_overall_scores() -> None:
    a, b = [], []
    for task, gain in (("object_counting", 0.5), ("route_planning", 0.0)):
        for v in range(8):
            question = graded(f"{task}{v}", 0.3, task=task, video=f"v{v}")
            a.append(question)
            b.append(replace(question, score=0.3 + gain + 0.1 * (v % 2) * (1 if v < 4 else -1)))
    comparison = compared(a, b)
    # Counting gains on all 8 videos, so only the two extremes of 2^8 are as large; routes gain
    # on as many as they lose.
    p = {name: d.p for name, d in comparison.tasks.items()}
    assert p == pytest.approx({"object_counting": 2 / 2**8, "route_planning": 1.0})
    holm = {name: d.p_holm for name, d in comparison.tasks.items()}
    assert holm == pytest.approx({"object_counting": 4 / 2**8, "route_planning": 1.0})
    assert comparison.overall.p == pytest.approx(2 / 2**8)
    assert comparison.overall.p_holm is None
    assert comparison.micro.p_holm is None


VIDEOS = 40


@pytest.fixture(scope="module")
def equal_runs() -> list[Comparison]:
    """Comparisons of runs whose true scores are equal, although their samples differ."""
    generator = np.random.default_rng(11)
    return [
        compare_runs(
            *simulated_runs(generator, videos=VIDEOS, gain=0.0),
            model_a="A",
            model_b="B",
            resamples=999,
            flips=999,
        )
        for _ in range(400)
    ]


def estimates(scores: Scores) -> list[Estimate]:
    return [scores.overall, scores.micro, *scores.tasks.values()]


def differences(comparison: Comparison) -> list[Difference]:
    return [comparison.overall, comparison.micro, *comparison.tasks.values()]


def share_covering(truth: float, intervals: list[Estimate]) -> float:
    return fmean(estimate.low <= truth <= estimate.high for estimate in intervals)


def test_95_percent_intervals_cover_the_truth(
    equal_runs: list[Comparison],
) -> None:
    # 400 trials of a true 95% scatter by 1.1 points, and less where several intervals of a trial
    # are counted together: 93 to 97 is more than two standard errors to each side.
    scores = [e for c in equal_runs for s in (c.scores_a, c.scores_b) for e in estimates(s)]
    assert 0.93 <= share_covering(TRUTH, scores) <= 0.97
    between = [d.estimate for c in equal_runs for d in differences(c)]
    assert 0.93 <= share_covering(0.0, between) <= 0.97


def test_p_values_of_equal_runs_are_uniform(equal_runs: list[Comparison]) -> None:
    # Micro and the tasks are multiples of one answer: their p-values have ties, most at 1.
    assert kstest([c.overall.p for c in equal_runs], "uniform").pvalue > 0.01
    # 400 trials at 5% scatter by 1.1 points; three of those.
    false = [
        fmean(d.p <= 0.05 for d in same_statistic)
        for same_statistic in zip(*map(differences, equal_runs), strict=True)
    ]
    assert all(0.05 - 0.033 <= share <= 0.05 + 0.033 for share in false)


def test_pairing_narrows_the_interval(
    equal_runs: list[Comparison],
) -> None:
    paired = fmean(width(c.overall.estimate) for c in equal_runs)
    apart = fmean(
        math.hypot(width(c.scores_a.overall), width(c.scores_b.overall)) for c in equal_runs
    )
    assert paired < 0.85 * apart


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_a_real_gain_is_significant() -> None:
    generator = np.random.default_rng(5)
    comparisons = [compared(*simulated_runs(generator, videos=VIDEOS, gain=0.2)) for _ in range(20)]
    assert fmean(c.overall.p < 0.01 for c in comparisons) > 0.9
    assert fmean(c.overall.estimate.low > 0 for c in comparisons) > 0.9
