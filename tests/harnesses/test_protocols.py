"""Every published protocol gives the results of its original code, in linear time."""

import json
from pathlib import Path

import pytest

from tests.harnesses.replies import grade_reply
from vicabench.harnesses.protocols import PROTOCOLS, find_protocol

# 400 replies with the scores that the official, lmms-eval and VLMEvalKit code gave them.
VECTORS = Path(__file__).parent.parent / "fixtures" / "scoring_vectors.jsonl"


@pytest.mark.parametrize("protocol", ["official", "lmms-eval", "vlmevalkit"])
def test_every_executed_result_is_reproduced(protocol: str) -> None:
    vectors = [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]
    assert len(vectors) == 400
    column = protocol.replace("-", "_")
    wrong = [
        v
        for v in vectors
        if grade_reply(protocol, v["question_type"], v["prediction"], v["ground_truth"]).score
        != v[column]
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ("about three hundred and two chairs", 302.0),
        ("one apple, room 2", 1.0),
        ("<think>7 or 8</think> 4", 4.0),
        ("7 or 8</think> 4", 4.0),
        ("<think>7 or 8, never closed", 7.0),
        ("none", None),
    ],
)
def test_lmms_eval_reads_the_first_number(reply: str, read: float | None) -> None:
    assert find_protocol("lmms-eval").read_number(reply, "objects") == read


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ("<answer> back-left </answer>", "B"),
        ("A is wrong.\nOption B: left\n**c**", "C"),
        ("First A, then B.\nD) the chair", "D"),
        ("It is A or B", None),
        ("a or b; the answer is b, I say", "B"),
    ],
)
def test_vlmevalkit_reads_letters_by_its_cascade(reply: str, read: str | None) -> None:
    assert find_protocol("vlmevalkit").read_choice(reply, ()) == read


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ("<think>9</think> from 3 to five", 5.0),
        ("<answer>3 or 4</answer> 7", 3.0),
        ("<think>only 6 here</think> none", 6.0),
        ("[2.5, 4]", 2.5),
        ("[unclear 4]", None),
        (f"[0x{'f' * 4000}]", None),  # more digits than Python writes
    ],
)
def test_vlmevalkit_reads_the_last_number(reply: str, read: float | None) -> None:
    assert find_protocol("vlmevalkit").read_number(reply, "m") == read


# Each would take minutes if reading took quadratic time.
LONG = [
    unit * (300_000 // len(unit))
    for unit in ("<answer>A", "<answer ", "answer   ", "<think>", "A*", "1,", "hundred ", "[", "{")
] + ["A" + " " * 300_000 + "x", "answer" + " " * 300_000 + "x"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_long_replies_are_read_quickly(protocol: str) -> None:
    rule = find_protocol(protocol)
    for reply in LONG:
        rule.read_number(reply, "m")
        rule.read_choice(reply, ("A. left", "B. right"))


@pytest.mark.parametrize(
    ("reply", "stop", "outcome"),
    [
        ("B", "length", "answered"),
        ("The answer is", "length", "truncated"),
        ("The answer is", "eos", "unreadable"),
        (" \n", "eos", "empty"),
        (None, None, "failed"),
    ],
)
def test_a_grade_records_why_there_is_no_answer(
    reply: str | None, stop: str | None, outcome: str
) -> None:
    grade = grade_reply("official", "route_planning", reply, "B", stop=stop)
    assert grade.outcome == outcome
    assert (grade.read is None) == (outcome != "answered")


def test_a_letter_of_no_option_is_not_an_answer() -> None:
    options = ("A. left", "B. right")
    task = "object_rel_direction_easy"
    for reply, outcome in (("I think it is left", "unreadable"), ("b", "answered")):
        for known in (options, ()):
            assert grade_reply("official", task, reply, "A", options=known).outcome == outcome
    assert grade_reply("official", task, "C", "A", options=options).read is None
