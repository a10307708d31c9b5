"""Options however they are spelled: letters by label or position, or a refusal."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.support import Row, Vicabench, refuses, rows_about, write_jsonl
from vicabench.benchmarks.choices import spelled
from vicabench.errors import DataError
from vicabench.predictions import read_predictions

SPELLED = ("A. left", "B. right", "C. back")
TEXTS = ["left", "right", "back"]


def arrow(value: Any) -> Any:
    """A column of one value, written to Arrow and read again."""
    return pa.array([value, {"A": "x", "B": "y", "C": "z", "D": "w"}]).to_pylist()[0]


SPELLINGS: dict[str, Any] = {
    "as published": list(SPELLED),
    "a space before": [f" {option}" for option in SPELLED],
    "brackets": ["(A) left", "(B) right", "(C) back"],
    "small letters": ["a) left", "b) right", "c) back"],
    "colons": ["A: left", "B: right", "C: back"],
    "dashes": ["A - left", "B - right", "C - back"],
    "markup": ["**A.** left", "**B.** right", "**C.** back"],
    "words": ["Option A: left", "Option B: right", "Option C: back"],
    "full width": ["（Ａ） left", "Ｂ． right", "Ｃ、back"],
    "numbers": ["1. left", "2. right", "3. back"],
    "bare": TEXTS,
    "object": {"A": "left", "C": "back", "B": "right"},
    "arrow struct": arrow({"A": "left", "B": "right", "C": "back", "D": None}),
    "pairs": [("A", "left"), ("B", "right"), ("C", "back")],
    "records": [{"label": letter, "text": text} for letter, text in zip("ABC", TEXTS, strict=True)],
    "columns": {"label": ["A", "B", "C"], "text": TEXTS},
    "printed by Python": str(TEXTS),
    "printed by numpy": str(np.array(SPELLED, dtype=object)),
    "repr of numpy": repr(np.array(SPELLED, dtype=object)),
    "JSON in a text": '["A. left", "B. right", "C. back"]',
    "a line each": "A. left\nB. right\nC. back\n",
}


@pytest.mark.parametrize("options", SPELLINGS.values(), ids=list(SPELLINGS))
def test_every_spelling_gives_the_same_letters(options: Any) -> None:
    assert spelled(options) == SPELLED


def test_what_only_looks_like_a_label_is_text() -> None:
    assert spelled(["T.V. stand", "A,B"]) == ("A. T.V. stand", "B. A,B")
    assert spelled(["1.5 m", "2.5 m"]) == ("A. 1.5 m", "B. 2.5 m")
    assert spelled(["a lamp", "chair"]) == ("A. a lamp", "B. chair")
    assert spelled(["A.left", "B.right"]) == ("A.left", "B.right")  # as it was written


@pytest.mark.parametrize("options", [None, float("nan"), "", [], "[]", {}])
def test_no_options_are_none(options: Any) -> None:
    assert spelled(options) == ()


@pytest.mark.parametrize(
    "options",
    [
        ["B. left", "A. right"],
        ["A. left", "right"],
        {"A": "left", "C": "right"},
        {"label": ["A"], "text": ["left", "right"]},
        ["2. left", "1. right"],
        [None, "left"],
        ["left"] * 27,
        [10**5000, 1],
        "left or right",
        f"[0x{'f' * 5000}]",
        "[" * 9000,
        True,
    ],
    ids=range(12),
)
def test_options_without_a_certain_letter_are_refused(options: Any) -> None:
    with pytest.raises(DataError, match=r"options?|label"):
        spelled(options)


def answered(reply: str, options: Any) -> list[Row]:
    rows = [row for row in rows_about(5) if row["options"]]
    return [{**row, "options": options, "ground_truth": "B", "response": reply} for row in rows]


@pytest.mark.parametrize("reply", ["B", "It is to the right."])
def test_replies_are_read_whatever_the_spelling(
    vicabench: Vicabench, tmp_path: Path, reply: str
) -> None:
    spellings = [value for value in SPELLINGS.values() if not isinstance(value, tuple)]
    rows = [row for options in spellings for row in answered(reply, options)]
    for place, row in enumerate(rows):
        row["id"] = place
    write_jsonl(tmp_path / "p.jsonl", rows)
    done = vicabench("score", "p.jsonl", "--protocol", "extracted", "--format", "csv")
    assert done.returncode == 0, done.stderr
    header, line = done.stdout.splitlines()[:2]
    assert float(line.split(",")[header.split(",").index("average")]) == 100


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ground_truth": "D"}, "A to C"),
        ({"ground_truth": "é", "options": None}, "A to Z"),
        ({"options": ["B. left", "A. right"]}, "in order"),
        ({"options": ["A. leftB. right"]}, "two or more"),
        ({"question_type": "object_counting", "ground_truth": "2"}, "takes no options"),
    ],
)
def test_a_truth_or_options_that_cannot_be_graded_are_refused(
    tmp_path: Path, change: Row, words: str
) -> None:
    file = write_jsonl(tmp_path / "p.jsonl", [answered("B", SPELLED)[0] | change])
    with pytest.raises(DataError, match=f"line 1.*{words}"):
        read_predictions(file)


def test_import_refuses_a_truth_outside_the_options(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "p.jsonl", [row | {"ground_truth": "D"} for row in answered("B", TEXTS)])
    done = vicabench("import", "jsonl", "p.jsonl", "--out", "run", "--model", "m")
    refuses(done, "line 1", "A to C", "'D'")
