"""Metrics at the edges of what they accept."""

import math
from typing import Any

import pytest

from tests.harnesses.replies import grade_reply
from vicabench.benchmarks.answers import right_answers
from vicabench.errors import DataError
from vicabench.metrics import metric_of
from vicabench.rubric import rubric_of

STREAMING = {"name": "count", "kind": "free", "metric": "mra-over-times"}
RUBRIC = rubric_of({"tasks": [STREAMING]})


@pytest.mark.parametrize(
    ("reply", "score"),
    [("[0, 4]", 1.0), ("[0]", 1.0), ("[1, 4]", 0.5), ("4", 0.0), ("about 4", 0.0), ("[" * 9999, 0)],
)
def test_a_list_is_scored_by_any_protocol(reply: str, score: float) -> None:
    for protocol in ("vsi-super", "official", "extracted"):
        assert grade_reply(protocol, "count", reply, "[0, 4]", rubric=RUBRIC).score == score


@pytest.mark.parametrize("truth", ["4", "[]", "[true]", "[1, NaN]", '["1"]', "four", "[" * 9999])
def test_a_truth_that_is_no_list_of_numbers_is_refused(truth: str) -> None:
    assert right_answers("[0, 4.5]", RUBRIC.tasks[0], ()) == ("[0, 4.5]",)
    with pytest.raises(DataError, match="JSON list of numbers"):
        right_answers(truth, RUBRIC.tasks[0], ())


EXACT, ROUND = {"name": "mra", "zero": "exact"}, {"name": "mra", "zero": 0.3}
HALF = {"name": "mra", "thresholds": [0.5]}


@pytest.mark.parametrize(
    ("metric", "read", "truth", "expected"),
    [
        ("mra", "9", "10", 0.9),
        ("mra", "10", "-10", 0.0),
        (EXACT, "0", "0", 1.0),
        (EXACT, "0.001", "0", 0.0),
        (EXACT, "-9", "-10", 0.9),
        (ROUND, "0.29", "0", 1.0),
        (ROUND, "-7", "0", 1.0),  # as in the released code of OSI-Bench
        (ROUND, "0.3", "0", 1.0),
        (ROUND, "0.35", "0", 0.7),
        (HALF, "15", "10", 1.0),
        (HALF | {"strict": True}, "15", "10", 0.0),
        ({"name": "tolerance", "absolute": 0.5}, "2.5", "2", 1.0),
        ({"name": "tolerance", "absolute": 0.5}, "2.6", "2", 0.0),
        ({"name": "tolerance", "relative": 0.25}, "-5", "-4", 1.0),
        ({"name": "tolerance", "relative": 0.25}, "0.1", "0", 0.0),
        ("tolerance", "3.0", "3", 1.0),
        ("mae", "1", "-2", 3.0),
        ("relative-error", "3", "-2", 2.5),
        ("exact", "b", "B", 1.0),
        ("exact", "The Red chair.", "red  chair", 1.0),
        ("chance-corrected", "A", "A", 1.0),
        ("chance-corrected", "A", "B", -0.2),
    ],
)
def test_a_metric_scores_one_answer(metric: Any, read: str, truth: str, expected: float) -> None:
    rule = metric_of(metric)
    assert rule.score(read, truth, 6) == pytest.approx(expected)
    assert metric_of(rule.to_json()) == rule


@pytest.mark.parametrize(
    ("metric", "truth"), [("mra", "0"), ("mra", "-1"), ("relative-error", "0")]
)
def test_a_truth_that_a_metric_cannot_grade_is_refused(metric: str, truth: str) -> None:
    assert metric_of(metric).refuses(truth)
    assert metric_of(metric).refuses("1") is None
    assert metric_of(EXACT).refuses(truth) is None


ASKED = rubric_of(
    {
        "tasks": [
            {"name": "far", "unit": "m", "beside": ["mae", "relative-error"]},
            {"name": "seen", "kind": "yes/no", "beside": ["chance-corrected"]},
        ]
    }
)


@pytest.mark.parametrize(
    ("task", "reply", "score", "beside"),
    [
        ("far", "9", 0.9, (1.0, 0.1)),
        ("far", "no idea", 0.0, (math.nan, math.nan)),
        ("seen", "Yes, it is.", 1.0, (1.0,)),
        ("seen", "no", 0.0, (-1.0,)),
        ("seen", None, 0.0, (-1.0,)),
    ],
)
def test_metrics_beside_the_score_are_graded_too(
    task: str, reply: str | None, score: float, beside: tuple[float, ...]
) -> None:
    truth = "10" if task == "far" else "yes"
    found = grade_reply("official", task, reply, truth, rubric=ASKED)
    assert found.score == pytest.approx(score)
    assert found.beside == pytest.approx(beside, nan_ok=True)
