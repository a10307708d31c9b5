"""`vicabench runs`, and the commands that take a folder of runs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

import vicabench as vb
from tests.runs import write_run
from tests.support import Vicabench, refuses, rows_about, write_jsonl

FLAKY = """
from pathlib import Path

def half(video, questions):
    if video.name == "clip0" and not Path("well").exists():
        raise RuntimeError("out of luck")
    return ["1"] * len(questions)
"""


def words_of(output: str, start: str) -> list[str]:
    """The command after `start` in the notes, as typed."""
    return shlex.split(output[output.index(start) + len(start) :].splitlines()[0])[1:]


def test_runs_are_listed_with_the_commands_that_continue_them(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    asked = write_jsonl(tmp_path / "q.jsonl", rows_about(6))
    baseline = ("run", "--benchmark", "q.jsonl", "--model", "baseline:random", "--out")
    assert vicabench(*baseline, "runs/run-2").returncode == 0
    half = vicabench(*baseline, "runs/run-10", "--seed", "3", "--limit", "4")
    assert half.returncode == 0
    (tmp_path / "flaky.py").write_text(FLAKY)
    flaky = ("--videos", clips, "--model", "./flaky.py:half", "--frames", "1", "--limit", "2")
    assert vicabench("run", "--benchmark", asked, *flaky, "--out", "runs/flaky").returncode == 1
    file = tmp_path / "runs" / "run-10" / "predictions.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:15]))
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "predictions.jsonl").write_text("{}\n")

    wide = {"COLUMNS": "300"}
    shown = vicabench("runs", **wide)
    assert shown.returncode == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines()]
    first = {
        row[0]: row for row in rows if row and row[0] in ("broken", "flaky", "run-2", "run-10")
    }
    assert list(first) == ["broken", "flaky", "run-2", "run-10"]
    assert first["run-10"][2:5] == ["15/40", "0", "unfinished"]
    assert first["run-2"][2:4] == ["60/60", "0"]
    assert first["flaky"][2:4] == ["10/20", "10"]
    assert "unreadable" in first["broken"]
    assert "runs/broken cannot be read: runs/broken/predictions.jsonl, line 1:" in shown.stdout

    more = words_of(shown.stdout, "Continue runs/run-10: ")
    assert vicabench(*more).returncode == 0
    assert len(file.read_text().splitlines()) == 40
    (tmp_path / "well").touch()
    again = words_of(shown.stdout, "Ask failed questions of runs/flaky: ")
    assert again[-1] == "--retry-errors"
    videos = () if "--config" in again else ("--videos", clips)
    assert vicabench(*again, *videos).returncode == 0
    now = {run["path"]: run for run in json.loads(vicabench("runs", "--format", "json").stdout)}
    assert now["runs/run-10"]["command"] is now["runs/flaky"]["command"] is None
    assert (now["runs/flaky"]["questions"], now["runs/flaky"]["videos"]) == (20, 2)
    narrow = vicabench("runs", COLUMNS="80").stdout
    assert "60/60" in narrow
    refuses(vicabench("score", "runs"), "runs/broken/predictions.jsonl", "line 1")


def test_a_folder_of_runs_stands_for_the_runs_in_it(vicabench: Vicabench, tmp_path: Path) -> None:
    folders = [tmp_path / "runs" / name for name in ("m-2", "m-10", "n")]
    for number, folder in enumerate(folders):
        rows = rows_about(6)
        replied = [{**row, "response": row["ground_truth"] if number else "2"} for row in rows]
        write_run(folder, f"model {folder.name}", replied)
    each = ["runs/m-2", "runs/m-10", "runs/n"]
    for command in (("score", "--format", "csv"), ("compare", "--format", "csv")):
        one, other = vicabench(*command, "runs"), vicabench(*command, *each)
        assert one.returncode == 0, one.stderr
        assert one.stdout == other.stdout
    drawn = vicabench("figures", "runs", "--kind", "tasks", "--format", "svg")
    assert drawn.returncode == 0, drawn.stderr
    page = vicabench("report", "runs", "--format", "markdown", "--compare", "runs/n")
    assert page.returncode == 0, page.stderr
    assert [run.path.name for run in vb.load_all(tmp_path / "runs")] == ["m-2", "m-10", "n"]

    (tmp_path / "empty").mkdir()
    for name in ("runs", "score", "compare", "figures", "report"):
        refuses(vicabench(name, "empty"), "empty holds no run")
    refuses(vicabench("runs", "nowhere"), "nowhere is not a folder")
    with pytest.raises(vb.UserError, match="holds no run"):
        vb.shared([tmp_path / "empty"])
