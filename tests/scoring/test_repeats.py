"""Several replies a question: pass@k, votes, changes, and where the uncertainty comes from."""

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

import numpy as np
import pytest

from tests.simulation import CASES, QUESTIONS, VIDEOS, simulated_replies
from vicabench.rubric import VSI, rubric_of
from vicabench.scoring.repeats import errors, repeats_of
from vicabench.scoring.replies import best_of, by_question, change, question_means, vote
from vicabench.scoring.stats import score_run
from vicabench.types import ANSWERED, EMPTY, FAILED, Grade, Repeats, Scores

COUNT, ROUTE = "object_counting", "route_planning"


def reply(
    score: float, repeat: int = 0, *, name: str = "q", video: str = "v", task: str = COUNT,
    read: str | None = "1", group: str = "",
) -> Grade:  # fmt: skip
    return Grade(
        id=name,
        video=video,
        task=task,
        protocol="official",
        read=read,
        score=score,
        outcome=EMPTY if read is None else ANSWERED,
        group=group,
        repeat=repeat,
    )


def replies(scores: Sequence[float], **about: str) -> list[Grade]:
    return [reply(score, n, read=str(score), **about) for n, score in enumerate(scores)]


@pytest.mark.parametrize("right", range(9))
@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_pass_at_k_is_the_published_estimator(right: int, k: int) -> None:
    # The program printed with equation 1 of arXiv 2107.03374, for n samples of which c are right.
    n, c = 8, right
    product = np.prod(1.0 - k / np.arange(n - c + 1, n + 1))
    expected = 1.0 if n - c < k else 1.0 - product
    assert best_of(replies([1.0] * c + [0.0] * (n - c)), k) == pytest.approx(expected)


def test_the_best_of_k_is_the_mean_over_all_draws_of_k() -> None:
    scores = [0.3, 1.0, 0.0, 0.3, 0.8]
    for k in range(1, 6):
        expected = fmean(max(drawn) for drawn in combinations(scores, k))
        assert best_of(replies(scores), k) == pytest.approx(expected)
    with pytest.raises(ValueError, match="there are 5"):
        best_of(replies(scores), 6)


def test_a_vote_is_for_the_answer_read_most_often() -> None:
    def winner(*reads: str | None) -> str | None:
        return vote([reply(0.0, n, read=read) for n, read in enumerate(reads)]).read

    assert winner("B", "A", "A") == "A"
    assert winner("B", "A", "a", "b", "C") == "B"  # as frequent as A, and earlier
    assert winner(None, None, "C") == "C"
    assert winner(None, None) is None


def test_changes_are_the_share_of_pairs_that_differ() -> None:
    reads = ["1.0", "2.0", None, "1.0", None]
    pairs = list(combinations(reads, 2))
    expected = sum(a != b for a, b in pairs) / len(pairs)
    assert change([reply(0.0, n, read=r) for n, r in enumerate(reads)]) == pytest.approx(expected)
    assert change([reply(0.0, n, read=r) for n, r in enumerate("Aa")]) == 0


def scored(grades: Sequence[Grade], overall: object = "macro") -> tuple[Scores, Repeats]:
    rubric = rubric_of({"tasks": [COUNT, ROUTE], "overall": [overall]})
    scores = score_run(grades, model="m", rubric=rubric, resamples=1000)
    found = repeats_of(grades, scores)
    assert found is not None
    return scores, found


def test_a_score_is_the_mean_over_questions_of_the_mean_over_replies() -> None:
    grades = []
    for v in range(6):
        about = {"video": f"v{v}"}
        grades += replies([1.0, 0.0, 0.0, 1.0], name=f"a{v}", **about)
        grades += replies([0.0, 0.0, 0.0, 1.0], name=f"b{v}", task=ROUTE, **about)
        grades += replies([1.0, 1.0, 0.0, 1.0], name=f"c{v}", task=ROUTE, **about)
    scores, found = scored(grades)
    assert scores.tasks[ROUTE].mean == pytest.approx(50)
    assert scores.overall.mean == pytest.approx((50 + 50) / 2)
    assert (scores.micro.count, scores.micro.clusters) == (18, 6)
    assert scores.outcomes[ANSWERED] == 18 * 4
    assert found.replies == 4
    assert found.best_of[4].mean == 100
    # Pairs with a right reply: 5 of 6, 3 of 6, 6 of 6.
    assert found.best_of[2].mean == pytest.approx(100 * (5 / 6 + (3 / 6 + 6 / 6) / 2) / 2)
    # The vote: right (a tie, the first), wrong, right.
    assert found.majority.mean == pytest.approx(100 * (1 + (0 + 1) / 2) / 2)
    assert found.changes.mean == pytest.approx(100 * (4 / 6 + 3 / 6 + 3 / 6) / 3)
    assert (
        scores.overall
        == score_run(
            question_means(grades), model="m", rubric=scores.rubric, resamples=1000
        ).overall
    )


def test_missing_and_unread_replies_count_as_wrong() -> None:
    grades = []
    for v in range(5):
        read, unread, gone = replies([1.0, 0.0, 0.0], name=f"q{v}", video=f"v{v}")
        grades += [
            read,
            reply(0.0, 1, name=f"q{v}", video=f"v{v}", read=None),
            Grade(**{**vars(gone), "outcome": FAILED, "read": None}),
        ]
        assert unread
    scores, found = scored(grades)
    assert scores.overall.mean == pytest.approx(100 / 3)
    assert scores.valid.mean == pytest.approx(100 / 3)
    assert (scores.overall.count, scores.overall.failed) == (5, 5)
    assert found.majority.mean == 100  # one reply was read
    assert found.changes.mean == pytest.approx(100 * 2 / 3)


def test_groups_are_right_together_in_each_repeat() -> None:
    overall = {"how": "variants", "at_least": 2}
    grades = []
    for v in range(5):
        about = {"video": f"v{v}", "group": f"g{v}"}
        grades += replies([1.0, 1.0, 0.0, 0.0], name=f"a{v}", **about)
        grades += replies([1.0, 0.0, 1.0, 0.0], name=f"b{v}", **about)
    scores, found = scored(grades, overall)
    assert scores.overall.mean == pytest.approx(25)
    assert scores.overall.count == 5
    assert found.best_of[2].mean == pytest.approx(50)
    assert found.standard_error == pytest.approx(found.standard_error_videos) == pytest.approx(0)


@pytest.mark.parametrize("overall", ["macro", "micro", {"how": "weighted", "weights": {COUNT: 3}}])
def test_the_error_is_that_of_the_mean_over_videos(overall: object) -> None:
    generator = np.random.default_rng(1)
    grades = []
    for v in range(200):
        for task in (COUNT, ROUTE)[: 1 + v % 2]:
            for q in range(generator.integers(1, 4)):
                drawn = (generator.random(3) < v / 200).astype(float)
                grades += replies(list(drawn), name=f"{task}{v}-{q}", video=f"v{v}", task=task)
    scores, found = scored(grades, overall)
    width = scores.overall.high - scores.overall.low
    assert found.standard_error == pytest.approx(width / (2 * 1.96), rel=0.08)
    assert found.standard_error**2 == pytest.approx(
        found.standard_error_replies**2 + found.standard_error_videos**2
    )


@pytest.mark.parametrize("name", CASES)
def test_intervals_hold_the_variance_of_videos_questions_and_replies(name: str) -> None:
    case = CASES[name]
    generator, trials = np.random.default_rng(17), 600
    rubric = rubric_of({"tasks": [COUNT], "overall": ["macro"]})
    hits = 0
    means, whole, parts = list[float](), list[float](), list[float]()
    for _ in range(trials):
        grades = simulated_replies(generator, *case)
        overall = score_run(grades, model="m", rubric=rubric, resamples=1000).overall
        hits += overall.low <= 50 <= overall.high
        means.append(overall.mean)
        if len(whole) < 100:
            found = errors(by_question(grades), {COUNT: 1 / (VIDEOS * QUESTIONS)}, pooled=False)
            whole.append(1e4 * found[0] ** 2)
            parts.append(1e4 * found[1] ** 2)
    assert 0.93 <= hits / trials <= 0.97
    of_video, of_question, count = case
    spread_video, spread_question = of_video**2 / 3, of_question**2 / 3
    questions = VIDEOS * QUESTIONS
    replies_part = 1e4 * (0.25 - spread_video - spread_question) / (questions * count)
    videos_part = 1e4 * (spread_video / VIDEOS + spread_question / questions)
    assert fmean(parts) == pytest.approx(replies_part, rel=0.03)
    assert fmean(whole) == pytest.approx(replies_part + videos_part, rel=0.1)
    assert np.var(means) == pytest.approx(replies_part + videos_part, rel=0.15)


def test_one_reply_a_question_has_no_repeats() -> None:
    grades = [reply(1.0, name=f"q{v}", video=f"v{v}") for v in range(6)]
    scores = score_run(grades, model="m", rubric=VSI)
    assert repeats_of(grades, scores) is None
    assert question_means(grades) == grades
    assert not math.isnan(scores.overall.low)
