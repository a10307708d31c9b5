"""Tables in terminals of any width: every number and every interval stays whole."""

import random
import re
from pathlib import Path

import pytest

from tests.runs import write_run
from tests.support import Row, Vicabench, is_numeric, rows_about, write_jsonl

NUMBER = re.compile(r"[+−<]?\d[\d.,%–]*[†:]?")
INTERVAL = re.compile(r"\[[+−]?[\d.]+(?:–|, )[+−]?[\d.]+\]")
COMMANDS = (
    "score runs/a-5p",
    "score runs/a-5p runs/lab_checkpoint runs/lab_other",
    "score runs/a-5p --protocol official,lmms-eval,vlmevalkit,extracted",
    "compare runs/a-5p runs/lab_checkpoint runs/lab_other --fixed 2",
    "compare runs/a-5p runs/lab_checkpoint runs/lab_other --subtract runs/blind",
    "published",
    "published --curves",
    "published --thinking",
    "published --zoo",
    "data list",
    "train --list",
    "train vica2-stage3 --dry-run",
)


def noisy(rows: list[Row], seed: int) -> list[Row]:
    chance = random.Random(seed)
    said = [
        f"{float(row['ground_truth']) * chance.uniform(0.4, 1.9):.2f}"
        if is_numeric(row["question_type"])
        else chance.choice("ABC")
        for row in rows
    ]
    return [{**row, "response": text} for row, text in zip(rows, said, strict=True)]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    names = ("a-5p", "lab/checkpoint-1200-of-a-model-with-a-long-name", "lab/other", "blind")
    for seed, name in enumerate(names):
        folder = tmp_path / "runs" / "_".join(name.split("-of-")[0].split("/")).split("-1200")[0]
        write_run(folder, name, noisy(rows_about(11), seed), benchmark="toy")
    return tmp_path


def numbers(text: str) -> set[str]:
    words = {word.strip(";.()[]") for part in text.split() for word in part.split("/")}
    return {word for word in words if NUMBER.fullmatch(word)}


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("typed", COMMANDS)
def test_no_number_is_broken_in_any_width(warm: Vicabench, typed: str) -> None:
    wide = warm(*typed.split(), COLUMNS="300")
    assert wide.returncode == 0, wide.stderr
    for width in (60, 80, 100, 200):
        shown = warm(*typed.split(), COLUMNS=str(width)).stdout
        assert numbers(shown) == numbers(wide.stdout), width
        assert set(INTERVAL.findall(shown)) == set(INTERVAL.findall(wide.stdout)), width
        rows = [line for line in shown.splitlines() if line.startswith(" ") or "─" in line]
        assert max(map(len, rows), default=0) <= width


def test_published_rows_stand_in_the_table_of_the_runs(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "p.jsonl", noisy(rows_about(6), 1))
    printed = ["56.8", "65.7", "51.0", "75.5", "71.4", "51.6", "34.6", "38.1", "66.5"]
    for width in (60, 80, 160):
        shown = vicabench("score", "p.jsonl", "--published", COLUMNS=str(width)).stdout
        rows = [line.split() for line in shown.splitlines() if line.startswith(" ViCA2-7B")]
        assert [cell for row in rows for cell in row if cell in printed] == printed
        assert {row[1] for row in rows} == {"[1]"}  # the source, named in the notes
        assert len(re.findall(r"^ published +$", shown, re.MULTILINE)) == len(rows)
        alone = [line.split() for line in shown.splitlines() if line.startswith(" GPT-5 ")]
        assert [cell for row in alone for cell in row] == [*("GPT-5", "[9]", "55.0"), *(
            ["GPT-5", "[9]"] * (len(alone) - 1))]  # fmt: skip
        assert "[1] ViCA2 report Table 2" in " ".join(shown.split())
