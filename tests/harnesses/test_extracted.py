"""The extracted protocol reads what a reply evidently means, and nothing if it is unclear."""

import json
from pathlib import Path

import pytest

from vicabench.harnesses.extracted import read_choice, read_number
from vicabench.harnesses.reading.thoughts import reasoned
from vicabench.rubric import VSI

OPTIONS = ("A. front-left", "B. front-right", "C. back-left", "D. left")


def as_a_person(line: str) -> tuple[str, tuple[str, object]]:
    """Whether a form of reply is read as by a person, and what was read."""
    form = json.loads(line)
    expected, options = form["expected"], form["options"]
    read: object
    if options:
        read = read_choice(form["reply"], options)
        right = read == expected
    else:
        read = read_number(form["reply"], VSI.of_type[form["question_type"]].unit)
        right = read == (None if expected is None else pytest.approx(expected, rel=0.005))
    return "right" if right else "missed" if read is None else "wrong", (form["reply"], read)


@pytest.mark.parametrize("name", ["replies.jsonl", "variants.jsonl"])
def test_replies_are_read_as_a_person_reads_them(name: str) -> None:
    # Forms from public bug reports, and variants of each kind, each with a person's reading.
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    results = [as_a_person(line) for line in lines]
    assert [form for outcome, form in results if outcome == "wrong"] == []
    missed = [form for outcome, form in results if outcome == "missed"]
    assert len(missed) <= 0.02 * len(lines), missed


@pytest.mark.parametrize(
    ("reply", "unit", "read"),
    [
        ("There are twenty-one chairs.", "objects", 21.0),
        ("about 150 cm", "m", 1.5),
        ("4 m (13 feet)", "m", 4.0),
        ("between 3 and 5 meters", "cm", 400.0),
        ("3.5 ± 0.2 m", "m", 3.5),
        ("4 m x 5 m = 20 m²", "m²", 20.0),
        ("1,076 square feet", "m²", 1076 * 0.3048**2),
        (r"<think>3 or 4</think> so \boxed{3.2\text{ m}}", "m", 3.2),
        ("The answer is:\n**12** chairs\nnot 13", "objects", 12.0),
        ("think\nor 7\nresponse\nso 3\nfinal\n5", "objects", 5.0),
        ("28.2 or 19.97", "m²", None),
        ("20 or 21 chairs", "objects", None),
        ("4 m wide", "m²", None),
        ("<Thinking>3 chairs and", "objects", None),
    ],
)
def test_a_quantity_is_read_in_the_unit_of_the_question(
    reply: str, unit: str, read: float | None
) -> None:
    assert read_number(reply, unit) == (None if read is None else pytest.approx(read))


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ("(b)", "B"),
        ("A chair is near, so option B", "B"),
        ("To the back left of you", "C"),
        ("B. front-right", "B"),
        ("**Answer:** C\nbecause A is farther", "C"),
        ("<answer>front-left</answer>", "A"),
        ("A or B", None),
        ("B. back-left", None),
        ("front-left or left", None),
    ],
)
def test_an_option_is_read_by_letter_or_wording(reply: str, read: str | None) -> None:
    assert read_choice(reply, OPTIONS) == read


@pytest.mark.parametrize(
    ("reply", "thoughts", "rest", "closed"),
    [
        ("B", None, "B", True),
        ("<think>well</think>B", "well", "B", True),
        ("well</ THINK >B", "well", "B", True),
        ("<reasoning>well <answer>B", "well", "<answer>B", True),
        ("<think>well", "well", "", False),
        ("think\nwell\nfinal\nB", "well", "B", True),
        ("think\nwell", "well", "", False),
        ("[THINK]well[/THINK]B", "well", "B", True),
        ("<seed:think>well</seed:think>B", "well", "B", True),
        (
            "<|channel|>analysis<|message|>well<|end|><|channel|>final<|message|>B",
            "well<|end|>",
            "B",
            True,
        ),
        ("analysisWell.assistantfinalB", "Well.", "B", True),
        ("<|channel|>analysis<|message|>well", "well", "", False),
    ],
)
def test_thoughts_are_separated_from_the_answer(
    reply: str, thoughts: str | None, rest: str, closed: bool
) -> None:
    split = reasoned(reply)
    assert (split.thoughts, split.rest, split.closed) == (thoughts, rest, closed)


def test_an_unclosed_tag_is_read_in_linear_time() -> None:
    # With time in the square of the length this would take half an hour.
    assert reasoned("<" + " " * 200_000 + "4").thoughts is None
