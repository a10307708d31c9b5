"""Metrics at the edges of what they accept."""

import pytest

from tests.harnesses.replies import grade_reply
from vicabench.benchmarks.answers import right_answers
from vicabench.errors import DataError
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
