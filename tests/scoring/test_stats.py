"""Scores and their intervals, against independent computation."""

import math
from dataclasses import replace
from itertools import product
from statistics import NormalDist, fmean

import numpy as np
import pytest

from vicabench.rubric import VSI, rubric_of
from vicabench.scoring.stats import mean_of, median_of, score_run, shares_of
from vicabench.types import ANSWERED, FAILED, Grade


def graded(task: str, video: int, score: float, *, failed: bool = False) -> Grade:
    return Grade(
        id="",
        video=f"v{video}",
        task=task,
        protocol="official",
        read="",
        score=score,
        outcome=FAILED if failed else ANSWERED,
    )


def test_relative_direction_and_overall_are_unweighted_means() -> None:
    grades = [
        *[graded("object_rel_direction_easy", v, 1.0) for v in range(6)],
        *[graded("object_rel_direction_medium", v, 0.5) for v in range(2)],
        *[graded("object_rel_direction_hard", v, 0.0) for v in range(2)],
        *[graded("object_counting", v, 0.2) for v in range(5)],
    ]
    scores = score_run(grades, model="m")
    assert scores.tasks["object_rel_direction"].mean == pytest.approx(50.0)
    assert scores.overall.mean == pytest.approx((50.0 + 20.0) / 2)
    assert scores.micro.mean == pytest.approx(100 * fmean(g.score for g in grades))
    assert (scores.overall.count, scores.overall.clusters) == (15, 6)
    assert set(scores.missing) == {t.name for t in VSI.tasks} - set(scores.tasks)


@pytest.mark.parametrize(
    ("overall", "expected"),
    [
        ("macro", (80 + 20 + 50) / 3),
        ("micro", 100 * (10 * 0.8 + 5 * 0.2 + 5 * 0.5) / 20),
        ({"how": "weighted", "weights": {"a": 3, "b": 1, "gone": 9}}, (3 * 80 + 20) / 4),
        ({"groups": [["a", "b"], ["c", "gone"], ["gone"]]}, ((80 + 20) / 2 + 50) / 2),
    ],
)
def test_overall_scores_are_what_the_rubric_says(overall: object, expected: float) -> None:
    rubric = rubric_of({"tasks": ["a", "b", "c", "gone"], "overall": [overall]})
    grades = [graded("a", v % 5, 0.8) for v in range(10)]
    grades += [graded("b", v, 0.2) for v in range(5)] + [graded("c", v, 0.5) for v in range(5)]
    scores = score_run(grades, model="m", rubric=rubric)
    assert scores.overall.mean == pytest.approx(expected)
    assert scores.missing == ("gone",)


def test_variants_are_right_if_enough_of_a_group_are() -> None:
    rubric = rubric_of({"tasks": ["a"], "overall": [{"how": "variants", "at_least": 3}]})
    grades = [
        replace(graded("a", group, float(n < right)), id=f"{group}-{n}", group=f"g{group}")
        for group, right in enumerate((4, 3, 2, 0, 4))
        for n in range(4)
    ]
    overall = score_run(grades, model="m", rubric=rubric).overall
    assert (overall.mean, overall.count, overall.clusters) == (60.0, 5, 5)
    grades[0] = replace(grades[0], score=0.9)  # nearly right is not right
    grades[4] = replace(grades[4], score=0.9)
    assert score_run(grades, model="m", rubric=rubric).overall.mean == 40.0


def test_failed_questions_are_counted_in_the_mean_and_shown() -> None:
    grades = [graded("object_counting", v, 1.0) for v in range(3)]
    grades.append(graded("object_counting", 3, 0.0, failed=True))
    scores = score_run(grades, model="m")
    assert (scores.overall.mean, scores.overall.failed) == (75.0, 1)


@pytest.mark.parametrize("videos", [1, 2, 4, 5])
def test_fewer_than_five_videos_have_no_interval(videos: int) -> None:
    grades = [graded("object_counting", v, s) for v in range(videos) for s in (v / 9, 1.0)]
    scores, names = score_run(grades, model="m"), [g.video for g in grades]
    values = [g.score for g in grades]
    (share,) = shares_of(["A" if v == 1 else "B" for v in values], names, ["A"])
    bounds = [mean_of(values, names), median_of(values, names), share]
    bounds += [(e.mean, e.low, e.high) for e in (scores.overall, scores.micro, scores.valid)]
    for mean, *ends in bounds:
        assert not math.isnan(mean)
        assert [math.isnan(end) for end in ends] == [videos < 5] * 2


def test_an_average_that_most_resamples_lack_has_no_interval() -> None:
    # Six types about two videos each: 6! S(12, 6) / 6^12 = 44% of the resamples hit all of them.
    types = [t for task in VSI.tasks for t in task.types][:6]
    grades = [graded(types[v // 2], v, float(v % 2)) for v in range(12)]
    scores = score_run(grades, model="m")
    assert math.isnan(scores.overall.low)
    assert not math.isnan(scores.micro.low)


def test_the_interval_equals_that_of_all_possible_resamples() -> None:
    # Six videos have 6^6 resamples: few enough to take them all. The expanded percentile interval
    # cuts off Phi(-sqrt(6/5) t) on each side, t = 2.5706 being Student's 97.5% point for 5.
    values = np.array([0.0, 0.1, 0.4, 0.6, 0.8, 1.0])
    means = np.array([values[list(drawn)].mean() for drawn in product(range(6), repeat=6)])
    tail = NormalDist().cdf(-math.sqrt(6 / 5) * 2.5706)
    low, high = 100 * np.quantile(means, [tail, 1 - tail])
    grades = [graded("object_counting", v, s) for v, s in enumerate(values)]
    for estimate in (score_run(grades, model="m").overall, score_run(grades, model="m").micro):
        # 10,000 draws put the 0.24% point within about 2 points; the plain 2.5% point is 10 away.
        assert estimate.low == pytest.approx(low, abs=2.5)
        assert estimate.high == pytest.approx(high, abs=2.5)


def test_a_task_with_one_video_leaves_overall_without_interval() -> None:
    grades = [graded("object_counting", v, float(v % 2)) for v in range(50)]
    grades.append(graded("route_planning", 0, 1.0))
    scores = score_run(grades, model="m")
    assert math.isnan(scores.overall.low)
    assert scores.tasks["object_counting"].low > 0
    assert scores.micro.low > 0


def test_failures_are_counted_per_task() -> None:
    grades = [graded("object_counting", v, 0.0, failed=True) for v in range(3)]
    grades += [graded("route_planning", v, 1.0) for v in range(3)]
    scores = score_run(grades, model="m")
    assert scores.tasks["object_counting"].failed == 3
    assert scores.tasks["route_planning"].failed == 0


def test_questions_of_one_video_are_not_independent() -> None:
    once = [graded("object_counting", v, float(v % 2)) for v in range(20)]
    copied = [g for g in once for _ in range(50)]
    alone, repeated = score_run(once, model="m"), score_run(copied, model="m")
    assert repeated.overall.low == pytest.approx(alone.overall.low)
    assert repeated.overall.high == pytest.approx(alone.overall.high)


def test_95_percent_intervals_of_twelve_videos_cover_the_truth() -> None:
    # Two tasks whose scores share a video effect: the truth of each mean is 1/2. More videos, and
    # differences of runs, are in test_compare.py.
    generator = np.random.default_rng(7)
    trials, hits = 400, 0
    for _ in range(trials):
        grades = []
        for v in range(12):
            level = generator.beta(2, 2)
            for task in ("object_counting", "route_planning"):
                grades += [graded(task, v, float(generator.random() < level)) for _ in range(3)]
        overall = score_run(grades, model="m", resamples=1000).overall
        hits += overall.low <= 50.0 <= overall.high
    # 400 trials of a true 95%: four standard errors are 4.4 points.
    assert 0.906 <= hits / trials <= 0.994
