"""`vicabench data check`: every problem with its place, and what the questions are like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vicabench as vb
from tests import warm
from tests.support import Row, rows_about, write_jsonl
from tests.videos import write_clip

TASKS = """\
official: mine
tasks:
  - {name: far, unit: m, metric: {name: mra, zero: exact}}
  - {name: seen, kind: yes/no}
  - {name: which}
  - {name: never}
"""


def far(**changes: Any) -> Row:
    row = {"video": "a.mp4", "question_type": "far", "question": "How far?", "ground_truth": "2"}
    return row | changes


def which(truth: str, options: list[str], video: str = "a.mp4") -> Row:
    changes = {"question_type": "which", "question": "Which?", "options": options}
    return far(ground_truth=truth, video=video, **changes)


ROWS: list[tuple[Row | str, str]] = [
    (far(), ""),
    ("{'id': 1}", "line 2: not JSON"),
    ("[1]", "line 3: expected an object with keys and values, found [1]"),
    (far(question_type="near"), "line 4: the question_type 'near' is unknown"),
    (far(ground_truth="many"), "line 5: the ground truth must be a finite number, in m, found"),
    (far(video="../b.mp4"), "line 6: the video '../b.mp4' is not a path below"),
    (far(id="1", question="And now?"), "line 7: the id '1' is taken by line 1."),
    (far(question="how  far"), "line 8: the same question about the same video as line 1."),
    (
        far(question=" How far? ", ground_truth=3),
        "line 9: the same question about the same video as line 1, with another ground truth "
        "(3 and 2). Correct one of them.",
    ),
    (which("left", ["left", "right"]), ""),
    (which("B", ["right", "Left."]), "line 11: the same question about the same video as line 10."),
    (which("up", ["left", "right"]), "line 12: the ground truth must be an option's letter"),
    (which("left", ["left"]), "line 13: which needs two or more options"),
    (far(video="missing.mp4"), "line 14: the video"),
    (far(video="broken.mp4", ground_truth="2.0 m"), "line 15: the video cannot be decoded (2 q"),
    (far(video="broken.mp4"), "line 16: the same question about the same video as line 15."),
    (far(question_type="seen", ground_truth=True), ""),  # not the question of line 1
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "benchmark.yaml").write_text(TASKS, "utf-8")
    write_clip(tmp_path / "a.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    lines = [row for row, _ in ROWS]
    write_jsonl(tmp_path / "questions.jsonl", [row for row in lines if isinstance(row, dict)])
    whole = iter((tmp_path / "questions.jsonl").read_text("utf-8").splitlines())
    text = "\n".join(next(whole) if isinstance(row, dict) else row for row in lines)
    (tmp_path / "questions.jsonl").write_text(text, "utf-8")
    return tmp_path


def test_every_problem_is_listed_with_its_line(folder: Path) -> None:
    found = list(vb.data.check(folder).problems)
    assert found.pop(0).startswith("benchmark.yaml, official: There is no grading protocol 'mine'")
    for expected in (text for _, text in ROWS if text):
        (one,) = [problem for problem in found if problem.startswith(expected)]
        assert "\n" not in one
        found.remove(one)
    assert found == []


def test_the_command_lists_as_many_as_asked_for_and_exits_with_1(folder: Path) -> None:
    done = warm.vicabench(folder, "data", "check", ".", "--problems", "3")
    assert done.returncode == 1
    assert "line 3: expected an object" in done.stdout
    assert "line 4" not in done.stdout
    assert "... and 12 problems more: --problems N." in done.stdout
    assert "Note: no questions of the task never." in done.stdout
    assert done.stdout.splitlines()[-1].endswith("about 3 videos, 15 problems.")
    elsewhere = warm.vicabench(folder, "data", "check", ".", "--videos", "elsewhere").stdout
    assert "elsewhere/a.mp4 is missing (7 questions)" in elsewhere


def test_floors_are_those_of_constant_answers(tmp_path: Path) -> None:
    """Worked out by hand: 12 choices among 2 or 4, four yes/no, three numbers."""
    (tmp_path / "benchmark.yaml").write_text(TASKS.partition("\n")[2], "utf-8")
    write_clip(tmp_path / "a.mp4")
    rows = [which("A", ["x", "y"]) for _ in range(6)]
    rows += [which("D", ["x", "y", "z", "w"]) for _ in range(3)]
    rows += [which(["A", "B"], ["x", "y", "z", "w"]) for _ in range(3)]  # type: ignore[arg-type]
    rows += [far(question_type="seen", ground_truth=t) for t in ("yes", "yes", True, "No")]
    rows += [far(ground_truth=truth) for truth in (0, 0, 10, 9)]
    numbered = [row | {"question": f"Number {n}?"} for n, row in enumerate(rows)]
    write_jsonl(tmp_path / "questions.jsonl", numbered)
    done = vb.data.check(tmp_path)
    assert done.problems == ()
    found = {each.task.name: each for each in done.tasks}
    numbers = {
        name: (each.questions, each.chance, each.frequent, each.constant)
        for name, each in found.items()
    }
    assert numbers == {
        "far": (4, None, 50.0, 50.0),  # 0 is right twice; 9 scores 0.9 and 1 for 10 and 9, less
        "seen": (4, 50.0, 75.0, 75.0),
        "which": (12, pytest.approx(100 * (6 / 2 + 3 / 4 + 3 * 2 / 4) / 12), 75.0, 75.0),
    }
    assert found["far"].truths == "0 to 10 m, median 4.5"
    assert any(note.startswith("which: A is the right answer of 75% of 12") for note in done.notes)


def test_a_file_of_the_published_types_is_checked_too(tmp_path: Path, clips: Path) -> None:
    write_jsonl(tmp_path / "q.jsonl", [*rows_about(6), {"id": 1}])
    done = vb.data.check(tmp_path / "q.jsonl", videos=clips)
    assert done.problems == ("line 61: the key 'question_type' is missing.",)
    assert (done.questions, done.videos, len(done.tasks)) == (60, 6, 8)
