"""`vicabench score`: any predictions file becomes a table, without model or data."""

import csv
import io
import json
import re
from pathlib import Path

import matplotlib as mpl
import openpyxl
import pytest
from matplotlib.ft2font import FT2Font

from tests.runs import write_run
from tests.support import Row, Vicabench, read_jsonl, refuses, rows_about, write_jsonl
from vicabench import score

FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"


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
    write_jsonl(tmp_path / "theirs.jsonl", answered(rows_about(5)))
    done = vicabench("score", "theirs.jsonl", "--json", "e.json", "--grades", "g.jsonl")
    assert done.returncode == 0, done.stderr
    assert "theirs" in done.stdout
    estimates = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))["runs"][0]
    assert estimates["overall"] == {
        "mean": 100.0, "low": 100.0, "high": 100.0, "count": 50, "clusters": 5, "failed": 0,
    }  # fmt: skip
    grades = read_jsonl(tmp_path / "g.jsonl")
    assert len(grades) == 50
    assert grades[0] == {
        "model": "theirs", "id": "0", "protocol": "official@51e089c",
        "read": "1.0", "score": 1.0, "outcome": "answered",
    }  # fmt: skip


def test_constant_count_of_two_scores_as_in_the_released_code(
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


def test_a_narrow_terminal_gets_tasks_down_and_loses_no_number(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "p.jsonl", answered(rows_about(5)))
    done = vicabench("score", "p.jsonl", COLUMNS="60")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["Route", "Plan", "100.0", "100–100", "5/5"] in lines


def test_runs_of_one_model_are_told_apart_by_their_paths(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    for folder in ("a.1", "a.2"):
        (tmp_path / folder).mkdir()
        write_jsonl(tmp_path / folder / "same.jsonl", answered(rows_about(5)))
    done = vicabench("score", "a.1/same.jsonl", "a.2/same.jsonl", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["model"] for row in rows] == ["same (a.1/same.jsonl)", "same (a.2/same.jsonl)"]
    assert all(row["micro"] == row["micro_low"] == "100.0000" for row in rows)


def test_fewer_than_five_videos_have_no_interval_in_any_format(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    for name, replies in (("a", "A"), ("b", "B")):
        write_jsonl(tmp_path / f"{name}.jsonl", answered(rows_about(4), reply=replies))
    for command in (("score", "a.jsonl"), ("compare", "a.jsonl", "b.jsonl")):
        shown = {
            form: vicabench(*command, "--format", form).stdout
            for form in ("terminal", "markdown", "latex", "csv", "json")
        }
        for form in ("terminal", "markdown", "latex"):
            assert "n/a" in shown[form]
            assert not re.search(r"\d[–,] ?[+−\d]+\.\d", shown[form]), shown[form]
        (row, *_) = csv.DictReader(io.StringIO(shown["csv"]))
        ends = [value for name, value in row.items() if name.endswith(("_low", "_high"))]
        assert len(ends) > 5
        assert not any(ends)
        assert not re.search(r'"(low|high)": [^n]', shown["json"])
        assert '"low": null' in shown["json"]


OURS = [
    {
        "id": key,
        "dataset": "arkitscenes",
        "scene_name": scene,
        "question_type": "object_counting",
        "question": f"How many {thing}(s) are in this room?",
        "ground_truth": truth,
    }
    for key, scene, thing, truth in (
        (0, "41069025", "table", "4"),
        (1, "41069025", "chair", "2"),
        (2, "41069043", "table", "2"),
    )
]
"""Rows of VSI-Bench (Apache-2.0)."""


def test_a_file_of_vsi_bench_s_own_questions_is_vsi_bench(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "mine.jsonl", OURS)
    run = ("run", "--model", "baseline:oracle", "--no-video", "--published", "--benchmark")
    done = vicabench(*run, "mine.jsonl")
    assert done.returncode == 0, done.stderr
    assert "SenseNova-SI-1.1-8B" in done.stdout  # also rows that print an average alone
    folder = "runs/mine.jsonl/baseline-oracle"
    assert vicabench("score", folder, "--published").returncode == 0
    assert vicabench("compare", folder, "--published", "ViCA2-7B").returncode == 0
    write_jsonl(tmp_path / "other.jsonl", [*OURS[:2], {**OURS[2], "ground_truth": "3"}])
    refuses(vicabench(*run, "other.jsonl"), "VSI-Bench", "--published")


def test_a_run_that_is_not_finished_has_no_score(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = [{**row, "response": "A"} for row in rows_about(6)]
    spent = {"response": None, "error": "budget: --max-requests allows 20 requests"}
    for name, left in (("whole", []), ("stopped", rows[20:])):
        asked = [r | spent if r in left else r for r in rows]
        write_run(tmp_path / name, f"lab/{name}", asked, benchmark="vsi-bench")
    write_run(tmp_path / "killed", "lab/killed", rows, benchmark="vsi-bench")
    write_jsonl(tmp_path / "killed" / "predictions.jsonl", rows[:20])
    for name in ("stopped", "killed"):
        said = (
            "incomplete, so without a score: 20 of 60 questions answered; "
            "40 questions not asked yet"
        )
        for form in ("terminal", "markdown", "latex"):
            shown = vicabench("score", name, "--format", form).stdout
            assert said in shown
            assert not re.search(r"\d\.\d", shown), shown
        (row,) = csv.DictReader(io.StringIO(vicabench("score", name, "--format", "csv").stdout))
        assert {row[column] for column in ("average", "micro", "object_counting")} == {""}
        estimates = json.loads(vicabench("score", name, "--format", "json").stdout)["runs"][0]
        assert estimates["overall"]["mean"] is None
        assert said in estimates["notes"]
        refuses(vicabench("compare", "whole", name), "same questions", "20 are shared")
        done = vicabench("compare", "whole", name, "--shared", "--format", "csv")
        assert {r["questions"] for r in csv.DictReader(io.StringIO(done.stdout))} >= {"20"}
        refuses(vicabench("compare", name, "--published", "ViCA2-7B"), "incomplete")
        refuses(vicabench("figures", name, "--kind", "tasks"), "20 of 60 questions answered")


def test_a_latex_table_fits_a_paper(vicabench: Vicabench, tmp_path: Path) -> None:
    names = ("lab/checkpoint-1200_lr2e-5", "[odd] 100% & #1", "short", "another-one-of-many", "e")
    for place, name in enumerate(names):
        replies = [
            {**row, "response": row["ground_truth"] if number % (place + 2) else "A"}
            for number, row in enumerate(rows_about(8))
        ]
        write_run(tmp_path / f"run{place}", name, replies, benchmark="vsi-bench")
    score = ("score", *(f"run{place}" for place in range(5)), "--format", "latex")
    for width, points in (("column", 219), ("text", 455)):
        for extra in ((), ("--no-intervals",), ("--published",)):
            done = vicabench(*score, "--width", width, *extra)
            assert done.returncode == 0, done.stderr
            assert "NaN" not in done.stdout
            bodies = re.findall(r"begin.tabular.*?end.tabular", done.stdout, re.DOTALL)
            assert bodies
            for body in bodies:
                rows = [
                    re.split(r"(?<!\\\\) & ", line) for line in body.splitlines() if " & " in line
                ]
                assert {len(row) for row in rows} == {len(rows[0])}
                widths = [max(map(set_width, column)) for column in zip(*rows, strict=True)]
                assert sum(widths) + 6 * (len(widths) - 1) <= points
                assert not re.search(r"\\\\\s*[\[*]", body)  # an argument of the line break
            assert (
                done.stdout.count(r"\toprule") == done.stdout.count(r"\bottomrule") == len(bodies)
            )
            assert ("--no-intervals" in extra) == (r"\tiny" not in done.stdout)
            assert done.stdout.count(r"\textbf") >= 9  # the best of every task
            assert "100\\% \\& \\#1" in done.stdout.replace(r" \\ ", " ")
    refuses(vicabench("score", "run0", "--width", "column"), "--width", "--format latex")
    refuses(vicabench(*score, "--width", "page"), "--width page", "column or text")


def set_width(cell: str) -> float:
    """The points that a cell takes in Computer Modern at the sizes of the table."""
    stacked = re.fullmatch(r"\\shortstack\[.\]\{(.*)\}", cell.removesuffix(r" \\"))
    lines = stacked[1].split(r" \\ ") if stacked else [cell.removesuffix(r" \\")]
    return max(map(line_width, lines))


def line_width(line: str) -> float:
    total = 0.0
    for text, size in (
        (re.sub(r"\{\\tiny.*?\}|\\textbf|[\\{}]", "", line), 8),
        (" ".join(re.findall(r"\\tiny (.*?)\}", line)).replace("--", "–"), 5),
    ):
        font = FT2Font(
            str(FONTS / ("cmb10.ttf" if "textbf" in line and size == 8 else "cmr10.ttf"))
        )
        font.set_size(size, 72)
        font.set_text(text.replace("–", "-"))
        total += font.get_width_height()[0] / 64 * (1.15 if size == 5 else 1.0)  # wider when tiny
    return total


def test_scores_and_grades_are_spreadsheets_too(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = [{**row, "response": "=1+1"} for row in rows_about(6)]
    write_run(tmp_path / "run", "=cmd|' /c calc'!A0", rows)
    write_run(tmp_path / "other", "lab/other\x07", rows)
    for end in ("csv", "xlsx"):
        files = ("--out", f"s.{end}", "--grades", f"g.{end}")
        done = vicabench("score", "run", "other", *files)
        assert done.returncode == 0, done.stderr
        assert vicabench("compare", "run", "other", "--out", f"c.{end}").returncode == 0
        assert vicabench("published", "--out", f"p.{end}").returncode == 0
    for name, sheets in (("s", 2), ("g", 120), ("c", 10)):
        book = openpyxl.load_workbook(tmp_path / f"{name}.xlsx").active
        with (tmp_path / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            plain = list(csv.reader(file))
        assert book is not None
        cells = [[cell.value for cell in row] for row in book.iter_rows()]
        assert [str(cell) for cell in cells[0]] == plain[0]
        assert len(cells) == len(plain) == sheets + 1
        assert all(cell.data_type != "f" for row in book.iter_rows() for cell in row)
        assert all(not str(cell).startswith("=") for row in cells for cell in row)
    scores = openpyxl.load_workbook(tmp_path / "s.xlsx").active
    assert scores is not None
    assert isinstance(scores["D2"].value, int | float)  # a score is a number
    assert scores["A2"].value == "'=cmd|' /c calc'!A0"
    score(tmp_path / "run").save(tmp_path / "again.xlsx")
    assert (tmp_path / "again.xlsx").stat().st_size > 1000
    refuses(vicabench("score", "run", "--out", "s.ods"), "s.ods", ".csv or .xlsx")
    refuses(vicabench("score", "run", "--out", "a.csv", "--grades", "a.csv"), "both a.csv")
