"""The official protocol at the edge cases of VSI-Bench's released code."""

import pytest

from tests.harnesses import replies
from vicabench.scoring.grade import mean_relative_accuracy
from vicabench.types import Grade


def grade_reply(task: str, reply: str | None, truth: str) -> Grade:
    return replies.grade_reply("official", task, reply, truth)


@pytest.mark.parametrize(
    ("percent_off", "score"),
    [
        (0, 1.0),
        (5, 1.0),
        (10, 0.9),
        (15, 0.8),
        (20, 0.6),
        (25, 0.6),
        (30, 0.5),
        (45, 0.1),
        (50, 0.1),
    ],
)
def test_thresholds_equal_the_floats_of_the_released_code(percent_off: int, score: float) -> None:
    # For a truth of 20: 45% and 20% miss their own threshold, all others meet it.
    assert mean_relative_accuracy(20 - percent_off / 5, 20) == pytest.approx(score)


@pytest.mark.parametrize("reply", ["inf", "-inf", "nan", "-4", "four", "", " 4", "4m", "1e999"])
def test_replies_that_are_not_plain_numbers_score_zero(reply: str) -> None:
    assert grade_reply("object_counting", reply, "4").score == 0.0


@pytest.mark.parametrize("reply", ["4", "4.", "4 chairs", "4.0", "4...", "4\n", "4e0"])
def test_the_first_word_is_read_as_a_number(reply: str) -> None:
    assert grade_reply("object_counting", reply, "4").score == 1.0


@pytest.mark.parametrize(
    ("reply", "score"),
    [("B", 1.0), ("b", 1.0), ("B.", 1.0), ("B. chair", 1.0), ("(B)", 0.0), ("B\nbecause", 0.0)],
)
def test_a_letter_must_stand_alone(reply: str, score: float) -> None:
    assert grade_reply("object_rel_distance", reply, "B").score == score


def test_a_missing_reply_counts_as_wrong_and_failed() -> None:
    graded = grade_reply("object_counting", None, "4")
    assert (graded.score, graded.read, graded.failed) == (0.0, None, True)


def test_a_ground_truth_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="positive ground truth"):
        mean_relative_accuracy(1.0, 0.0)
