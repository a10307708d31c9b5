"""The right answers of a question, in the spellings that data sets have."""

import json
from pathlib import Path
from typing import Any

import pytest

import vicabench as vb
from vicabench.errors import DataError

LETTERED = ["A. left", "B. right", "C. up"]
TASKS = {
    "far": {"unit": "m", "metric": {"name": "mra", "zero": "exact"}},
    "seen": {"kind": "yes/no"},
    "which": None,
    "say": {"kind": "free"},
}


def answers(task: str, truth: Any, options: Any = None) -> tuple[str, ...]:
    row = {"video": "v", "question_type": task, "question": "?", "ground_truth": truth}
    asked = vb.benchmark([row | {"options": options}], tasks=TASKS, videos_needed=False)
    return asked.questions[0].answers


@pytest.mark.parametrize(
    ("task", "truth", "expected"),
    [
        ("far", 0, ("0",)),
        ("far", "-1.50", ("-1.50",)),
        ("far", " 2.5 m ", ("2.5",)),
        ("far", "1e3m", ("1e3",)),
        ("far", [1, "1.0", 2], ("1", "1.0", "2")),
        ("seen", True, ("yes",)),
        ("seen", " NO ", ("no",)),
        ("seen", ["yes", True], ("yes",)),
        ("say", " blue ", ("blue",)),
        ("say", ["blue", "azure"], ("blue", "azure")),
    ],
)
def test_numbers_yes_no_and_texts(task: str, truth: Any, expected: tuple[str, ...]) -> None:
    assert answers(task, truth) == expected


@pytest.mark.parametrize(
    "options",
    [
        LETTERED,
        ["left", "right", "up"],
        {"A": "left", "B": "right", "C": "up"},
        {"label": ["A", "B", "C"], "text": ["left", "right", "up"]},
        '["left", "right", "up"]',
    ],
)
@pytest.mark.parametrize("truth", ["B", "b", "right", "Right.", "B. right", ["B", "right"]])
def test_an_option_is_named_by_letter_or_text(options: Any, truth: Any) -> None:
    assert answers("which", truth, options) == ("B",)


@pytest.mark.parametrize(
    ("task", "truth", "complaint"),
    [
        ("far", "2 cm", "must be a finite number, in m, found '2 cm'"),
        ("far", True, "found True"),
        ("far", "inf", "found 'inf'"),
        ("far", [], "is an empty list"),
        ("seen", "maybe", "must be yes or no, found 'maybe'"),
        ("seen", 1, "must be yes or no, found 1"),
        ("say", 5, "must be a text, found 5"),
        ("which", "down", "'down' is not an option"),
        ("which", "D", "'D' is not an option"),
        ("which", 1, "1 is not an option"),
        ("which", ["A", "x"], "'x' is not an option"),
    ],
)
def test_what_is_no_right_answer_is_refused(task: str, truth: Any, complaint: str) -> None:
    with pytest.raises(DataError) as error:
        answers(task, truth, LETTERED if task == "which" else None)
    assert "row 0: the ground truth" in str(error.value)
    assert complaint in str(error.value)


@pytest.mark.parametrize(("first", "truth", "letter"), [(0, 0, "A"), (0, "2", "C"), (1, 1, "A")])
def test_an_index_counts_from_where_the_benchmark_says(
    tmp_path: Path, first: int, truth: Any, letter: str
) -> None:
    asked = tmp_path / "benchmark.yaml"
    asked.write_text(f"questions: q.json\nindex_from: {first}\ntasks: [which]", "utf-8")
    row = {"video": "v", "question": "?", "ground_truth": truth, "options": ["3", "2", "1"]}
    (tmp_path / "q.json").write_text(json.dumps([row]), "utf-8")
    assert vb.benchmark(tmp_path, videos_needed=False).questions[0].answer == letter
    (tmp_path / "q.json").write_text(json.dumps([row | {"ground_truth": 5}]), "utf-8")
    with pytest.raises(DataError, match=f"index of an option, {first} to {first + 2}, found 5"):
        vb.benchmark(tmp_path, videos_needed=False)
