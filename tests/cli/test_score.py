"""`vicabench score`: any predictions file becomes a table, without model or data."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.support import Row, Vicabench, read_jsonl, refuses, rows_about, write_jsonl


def answered(rows: list[Row], reply: str | None = None) -> list[Row]:
    """Rows as another tool may have written them: no run folder, an integer id, a scene."""
    return [
        {
            "id": place,
            "dataset": "scannet",
            "scene_name": row["video"],
            "question_type": row["question_type"],
            "ground_truth": row["ground_truth"],
            "response": row["ground_truth"] if reply is None else reply,
        }
        for place, row in enumerate(rows)
    ]


def test_a_file_of_another_tool_is_graded(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "theirs.jsonl", answered(rows_about(3)))
    done = vicabench("score", "theirs.jsonl", "--json", "e.json", "--grades", "g.jsonl")
    assert done.returncode == 0, done.stderr
    assert "theirs" in done.stdout
    estimates = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))["runs"][0]
    assert estimates["overall"] == {
        "mean": 100.0, "low": 100.0, "high": 100.0, "count": 30, "clusters": 3, "failed": 0,
    }  # fmt: skip
    grades = read_jsonl(tmp_path / "g.jsonl")
    assert len(grades) == 30
    assert grades[0] == {
        "model": "theirs", "id": "0", "protocol": "official",
        "read": "1.0", "score": 1.0, "outcome": "answered",
    }  # fmt: skip


def test_counting_by_always_saying_two_scores_as_the_released_code_scores_it(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    # 2 of 2 is exact, 2 of 3 is off by a third, 2 of 4 by half, 2 of 5 and more by too much.
    counts = ["2", "3", "4", "5", "8"]
    rows = [
        {**row, "ground_truth": count, "id": count, "response": "2"}
        for row, count in zip(answered(rows_about(1))[:1] * 5, counts, strict=True)
    ]
    write_jsonl(tmp_path / "two.jsonl", rows)
    vicabench("score", "two.jsonl", "--grades", "g.jsonl")
    scores = [grade["score"] for grade in read_jsonl(tmp_path / "g.jsonl")]
    assert scores == pytest.approx([1.0, 0.4, 0.1, 0.0, 0.0])


def test_an_error_is_a_failure_and_never_a_text_to_be_graded(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    rows = answered(rows_about(2))
    rows[0] |= {"error": "after 5 retries", "response": "1"}
    write_jsonl(tmp_path / "p.jsonl", rows)
    done = vicabench("score", "p.jsonl", "--format", "csv")
    row = next(csv.DictReader(io.StringIO(done.stdout)))
    assert row["unanswered"] == "1"
    assert float(row["object_counting"]) == 50.0


def test_every_format_shows_the_same_means(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a_b|c.jsonl", answered(rows_about(4), reply="A"))
    shown = {
        name: vicabench("score", "a_b|c.jsonl", "--format", name).stdout
        for name in ("terminal", "markdown", "latex", "csv", "json")
    }
    overall = json.loads(shown["json"])["runs"][0]["overall"]["mean"]
    for text in (shown["terminal"], shown["markdown"], shown["latex"], shown["csv"]):
        assert f"{overall:.1f}" in text
    assert r"a\_b\|c" in shown["markdown"]
    assert r"a\_b" in shown["latex"]
    assert shown["latex"].splitlines()[-1] == r"\end{tabular}"


def test_a_file_name_of_two_lines_stays_on_one(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a\n\\input{b}", answered(rows_about(2)))
    vicabench("import", "jsonl", "a\n\\input{b}", "--out", "run", "--model", "m")
    table = vicabench("score", "run", "--format", "latex").stdout
    assert all(line.startswith("%") for line in table.splitlines() if "input" in line)
    assert r"a \input{b}" in table


def test_a_run_named_twice_is_refused(vicabench: Vicabench, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    write_jsonl(tmp_path / "run" / "predictions.jsonl", answered(rows_about(2)))
    for command in ("score", "compare", "figures"):
        refuses(vicabench(command, "run", "run/predictions.jsonl"), "named twice")


def test_published_rows_stand_beside_ours_as_printed(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "p.jsonl", answered(rows_about(2)))
    done = vicabench("score", "p.jsonl", "--published")
    row = next(line for line in done.stdout.splitlines() if line.strip().startswith("ViCA2-7B"))
    printed = ["56.8", "65.7", "51.0", "75.5", "71.4", "51.6", "34.6", "38.1", "66.5"]
    assert row.split() == ["ViCA2-7B", *printed]
    assert "ViCA2 report Table 2" in " ".join(done.stdout.split())


def test_a_narrow_terminal_gets_tasks_down_and_loses_no_number(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "p.jsonl", answered(rows_about(2)))
    done = vicabench("score", "p.jsonl", COLUMNS="60")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["Route", "Plan", "100.0", "100–100", "2/2"] in lines


def test_published_rows_fit_a_terminal_of_80_columns(vicabench: Vicabench, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "p.jsonl", answered(rows_about(2)))
    done = vicabench("score", "p.jsonl", "--published", COLUMNS="80")
    row = next(line for line in done.stdout.splitlines() if "ViCA2-7B" in line)
    assert row.split()[1:] == [
        "56.8",
        "65.7",
        "51.0",
        "75.5",
        "71.4",
        "51.6",
        "34.6",
        "38.1",
        "66.5",
    ]


def test_runs_of_one_model_are_told_apart_by_their_paths(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    for folder in ("a.1", "a.2"):
        (tmp_path / folder).mkdir()
        write_jsonl(tmp_path / folder / "same.jsonl", answered(rows_about(2)))
    done = vicabench("score", "a.1/same.jsonl", "a.2/same.jsonl", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["model"] for row in rows] == ["same (a.1/same.jsonl)", "same (a.2/same.jsonl)"]
    assert all(row["micro"] == row["micro_low"] == "100.0000" for row in rows)
