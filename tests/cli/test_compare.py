"""`vicabench compare`: runs against runs, published rows, and a blind row subtracted."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.support import Row, Vicabench, read_jsonl, refuses, rows_about, write_jsonl


def replies(rows: list[Row], right: int) -> list[Row]:
    """Predictions that are right about the first `right` videos and say Z about the others."""
    videos = list(dict.fromkeys(row["video"] for row in rows))[:right]
    return [
        {**row, "response": row["ground_truth"] if row["video"] in videos else "Z"} for row in rows
    ]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """`a` knows 2 of 10 videos, `b` 9, `blind` 1; `part` was asked about 5 and knows them."""
    rows = rows_about(10)
    for name, right in (("a", 2), ("b", 9), ("blind", 1)):
        write_jsonl(tmp_path / f"{name}.jsonl", replies(rows, right))
    write_jsonl(tmp_path / "part.jsonl", replies(rows_about(5), 5))
    return tmp_path


def table(text: str) -> dict[tuple[str, str, str], dict[str, str]]:
    rows = csv.DictReader(io.StringIO(text))
    return {(row["reference"], row["model"], row["score"]): row for row in rows}


@pytest.mark.usefixtures("runs")
def test_compare_gives_difference_interval_and_p_value(vicabench: Vicabench) -> None:
    done = vicabench("compare", "a.jsonl", "b.jsonl", "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = table(done.stdout)
    assert len(rows) == 10
    row = rows["a", "b", "average"]
    # 7 of 10 videos improve on every task and none gets worse: of 2^7 assignments of signs two
    # are as far from zero, and of eight equal tasks Holm multiplies by eight.
    assert float(row["difference"]) == pytest.approx(70.0)
    assert float(row["p"]) == pytest.approx(2 / 2**7, abs=5e-5)
    assert float(rows["a", "b", "route_planning"]["p_holm"]) == pytest.approx(8 * 2 / 2**7)
    assert (row["p_holm"], row["fixed"], row["broke"]) == ("", "70", "0")
    assert (row["questions"], row["videos"]) == ("100", "10")
    assert 0 < float(row["difference_low"]) < 70.0 < float(row["difference_high"])


@pytest.mark.usefixtures("runs")
def test_every_format_shows_the_same_difference(
    vicabench: Vicabench,
) -> None:
    shown = {
        name: vicabench("compare", "a.jsonl", "b.jsonl", "--format", name).stdout
        for name in ("terminal", "markdown", "latex", "json")
    }
    assert all("+70.0" in shown[name] for name in ("terminal", "markdown", "latex"))
    verdict = "Overall B is better than A: +70.0"
    assert verdict in shown["terminal"]
    found = json.loads(shown["json"])["comparisons"][0]["differences"]["route_planning"]
    assert found["fixed"] == [f"{v}-8" for v in range(2, 9)]
    assert found["difference"]["mean"] == pytest.approx(70.0)


def test_a_number_is_the_same_truth_however_it_is_written(vicabench: Vicabench, runs: Path) -> None:
    rows = read_jsonl(runs / "a.jsonl")
    for row in rows:
        row["ground_truth"] += ".0" if row["ground_truth"].isdigit() else ""
    write_jsonl(runs / "spelt.jsonl", rows)
    done = vicabench("compare", "a.jsonl", "spelt.jsonl")
    assert "another ground truth" not in done.stdout
    assert vicabench("report", "a.jsonl", "spelt.jsonl", "--out", "r.html").returncode == 0


def test_latex_has_no_unknown_characters(vicabench: Vicabench, runs: Path) -> None:
    for name in ("a", "b"):
        rows = read_jsonl(runs / f"{name}.jsonl")
        write_jsonl(runs / f"{name}.jsonl", [{**row, "question": "厨房 café ×?"} for row in rows])
    done = vicabench("compare", "a.jsonl", "b.jsonl", "--fixed", "2", "--format", "latex")
    assert done.stdout.count("?? café ×?") == 2
    assert "厨" not in done.stdout


@pytest.mark.usefixtures("runs")
def test_a_narrow_terminal_loses_no_number(vicabench: Vicabench) -> None:
    done = vicabench("compare", "a.jsonl", "b.jsonl", COLUMNS="80")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["Avg.", "20.0", "90.0", "+70.0", "0.016", "70", "100"] in lines
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.usefixtures("runs")
def test_every_run_is_compared_with_the_first(vicabench: Vicabench) -> None:
    done = vicabench("compare", "blind.jsonl", "a.jsonl", "b.jsonl", "--format", "csv")
    pairs = {key[:2] for key in table(done.stdout)}
    assert pairs == {("blind", "a"), ("blind", "b")}


@pytest.mark.usefixtures("runs")
def test_runs_on_different_questions_need_shared(
    vicabench: Vicabench,
) -> None:
    done = vicabench("compare", "a.jsonl", "part.jsonl")
    refuses(done, "50 are shared", "50 (5-0, 5-1, 5-2, ...) only in a.jsonl", "--shared")
    done = vicabench("compare", "a.jsonl", "part.jsonl", "--shared")
    assert "On 50 shared questions; left out: 50 that only a was asked, 0 only part." in done.stdout


@pytest.mark.usefixtures("runs")
def test_a_blind_run_or_a_chance_row_is_subtracted(vicabench: Vicabench) -> None:
    two = ("compare", "a.jsonl", "b.jsonl", "--format", "csv", "--subtract")
    rows = table(vicabench(*two, "blind.jsonl").stdout)
    gains = [float(rows["blind", model, "average"]["difference"]) for model in "ab"]
    assert gains == pytest.approx([10.0, 80.0])
    rows = table(vicabench(*two, "Chance (random)").stdout)
    row = rows["Chance (random)", "b", "route_planning"]
    assert float(row["difference"]) == pytest.approx(90.0 - 28.3)
    assert (row["kind"], row["p"]) == ("unpaired", "")
    assert ("Chance (random)", "b", "average") not in rows  # no average was printed


@pytest.mark.usefixtures("runs")
def test_a_published_row_is_unpaired_and_has_no_p_value(vicabench: Vicabench) -> None:
    done = vicabench("compare", "b.jsonl", "--published", "ViCA2-7B")
    assert done.returncode == 0, done.stderr
    average = next(line for line in done.stdout.splitlines() if line.startswith(" Avg."))
    assert average.split()[1:4] == ["56.8", "90.0", "+33.2"]
    text = " ".join(done.stdout.split())
    assert "Unpaired" in text
    assert "no p-value can be given" in text
    assert "100 of 5130 questions asked" in text


def test_fixed_and_broken_questions_are_listed_safely(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = rows_about(3)
    a, b = replies(rows, 0), replies(rows, 3)
    a[8] |= {"question": "Turn\x1b[2J left | <script>?", "response": "\x1b[31mZ"}
    b[8] |= {"question": "Turn\x1b[2J left | <script>?"}
    write_jsonl(tmp_path / "a.jsonl", a)
    write_jsonl(tmp_path / "b.jsonl", b)
    done = vicabench("compare", "a.jsonl", "b.jsonl", "--fixed", "30", COLUMNS="300")
    assert "30 questions fixed by b (B)" in done.stdout
    assert "0 questions broken by b (B)" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith(" 0-8 "))
    assert "Turn?[2J left" in row
    assert "\x1b" not in done.stdout
    done = vicabench("compare", "a.jsonl", "b.jsonl", "--fixed", "30", "--format", "markdown")
    assert r"left \| \<script\>?" in done.stdout


def test_listed_questions_come_from_all_tasks(vicabench: Vicabench, tmp_path: Path) -> None:
    rows = rows_about(6)
    for name, said in (("a", "no idea"), ("b", None)):
        write_jsonl(
            tmp_path / f"{name}.jsonl",
            [{**row, "response": said or row["ground_truth"]} for row in rows],
        )
    done = vicabench("compare", "b.jsonl", "a.jsonl", "--fixed", "8", "--format", "markdown")
    fixed, broken = done.stdout.split("questions fixed by")[1].split("questions broken by")
    assert "; 0 of them" in fixed
    listed = [line.split("|") for line in broken.splitlines() if line.startswith("| ")]
    tasks = [cells[2].strip() for cells in listed if "clip" in cells[1]]
    assert len(set(tasks)) == len(tasks) == 8
    assert all("no idea" in cells[6] for cells in listed if "clip" in cells[1])
    narrow = vicabench("compare", "b.jsonl", "a.jsonl", "--fixed", "8", COLUMNS="80").stdout
    assert "no idea" in narrow
    assert max(map(len, narrow.splitlines())) <= 80


def test_another_revision_and_another_ground_truth_are_noted(
    vicabench: Vicabench, clips: Path, tmp_path: Path
) -> None:
    rows = read_jsonl(clips / "questions.jsonl")
    rows[0]["ground_truth"] = "9"
    for name, asked in (("old", clips / "questions.jsonl"), ("new", tmp_path / "new.jsonl")):
        if name == "new":
            write_jsonl(asked, rows)
        done = vicabench(
            "run", "--benchmark", asked, "--videos", clips, "--model", "baseline:random",
            "--no-video", "--out", name,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    text = " ".join(vicabench("compare", "old", "new").stdout.split())
    assert "Shared questions with another ground truth: 1" in text
    assert "revision: " in text
    refuses(vicabench("compare", "old", "--published", "ViCA2-7B"), "VSI-Bench", "ViCA2-7B")


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.jsonl",), ("one run", "--published", "--subtract")),
        (("a.jsonl", "./a.jsonl"), ("named twice",)),
        (("a.jsonl", "none.jsonl"), ("none.jsonl", "cannot be read")),
        (("a.jsonl", "--published", "GPT-9"), ("GPT-9", "vicabench published")),
        (("a.jsonl", "--subtract", "nothing"), ("this run does not exist", "vicabench published")),
        (("a.jsonl", "--subtract", "b.jsonl", "--fixed", "3"), ("--fixed", "two runs")),
        (("a.jsonl", "b.jsonl", "--fixed", "3", "--format", "csv"), ("--fixed", "json")),
        (("a.jsonl", "b.jsonl", "--protocol", "mine"), ("mine", "official")),
    ],
)
def test_what_cannot_be_compared_is_explained(
    vicabench: Vicabench, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refuses(vicabench("compare", *arguments), *words)
