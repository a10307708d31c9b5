"""Ranks with intervals: what they cover, and what they say of runs and printed rows."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

import vicabench as vb
from tests import warm
from tests.runs import write_run
from tests.support import refuses, rows_about
from vicabench.harnesses.protocols import find_protocol
from vicabench.scoring.ranks import Member, ranks_of

TRUTH = (60.0, 60.0, 55.0, 54.0, 45.0, 40.0)
BEST = {60.0: 1, 55.0: 3, 54.0: 4, 45.0: 5, 40.0: 6}
WORST = {**BEST, 60.0: 2}


def test_rank_intervals_cover_the_true_ranks() -> None:
    """All of them at once, in 95% of the samples of videos; errors over videos are shared."""
    generator = np.random.default_rng(4)
    covered, narrow, samples = 0, 0, 300
    for _ in range(samples):
        shared_V = generator.normal(0, 15, 50)
        members = [
            Member(name=f"{number}", score=float(parts_V.sum()), error=0.0, parts_V=parts_V)
            for number, true in enumerate(TRUTH)
            for parts_V in [(true + shared_V + generator.normal(0, 9, 50)) / 50]
        ]
        found = {each.name: each for each in ranks_of(members, flips=500)}
        covered += all(
            found[f"{n}"].low <= BEST[t] and WORST[t] <= found[f"{n}"].high
            for n, t in enumerate(TRUTH)
        )
        narrow += found["5"].low >= 5
    assert covered / samples >= 0.92  # 95% or more, less two and a half standard errors
    assert narrow / samples > 0.5  # and still they say something


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Four runs, of which two have the same replies."""
    for name, share in (("a", 0.2), ("b", 0.5), ("c", 0.5), ("d", 0.9)):
        generator = np.random.default_rng(round(10 * share))
        rows = [
            {**row, "response": str(row["ground_truth"]) if generator.random() < share else "none"}
            for row in rows_about(12)
        ]
        write_run(tmp_path / "runs" / name, name, rows)
    return tmp_path / "runs"


def test_ranks_are_the_same_from_python_and_in_every_format(runs: Path, tmp_path: Path) -> None:
    found = vb.rank([runs])
    assert [each.name for each in found.ranks] == ["d", "b", "c", "a"]
    assert [each.place for each in found.ranks] == [1, 2, 2, 4]
    assert [(each.low, each.high) for each in found.ranks] == [(1, 1), (2, 3), (2, 3), (4, 4)]
    assert found.ranks[1].tied
    assert found.ranks[1].p_next == 1.0
    pair = vb.compare(runs / "b", runs / "d").result
    assert found.ranks[0].score - found.ranks[1].score == pytest.approx(pair.overall.estimate.mean)
    assert warm.vicabench(tmp_path, "rank", runs).stdout.split() == found.table().split()
    assert "2–3" in found.table()
    assert json.loads(warm.vicabench(tmp_path, "rank", runs, "--format", "json").stdout) == (
        found.records
    )
    text = warm.vicabench(tmp_path, "rank", runs, "--format", "csv").stdout
    assert [row["name"] for row in csv.DictReader(io.StringIO(text))] == ["d", "b", "c", "a"]
    assert list(found.frame()["place"]) == [1, 2, 2, 4]
    by_task = vb.rank([runs], by="Obj. Count")
    counted = vb.load(runs / "d").scores(find_protocol("official")).tasks["object_counting"]
    assert by_task.ranks[0].score == pytest.approx(counted.mean)


def test_printed_rows_that_cannot_be_told_apart_share_ranks() -> None:
    """Two proportions: of 5,130 questions, 0.5 points are nothing and 12 are something."""
    found = {each.name: each for each in vb.rank(published=["all"]).ranks}
    gemini, onevision = found["Gemini-1.5 Pro"], found["LLaVA-OneVision-7B"]
    assert gemini.high < onevision.low
    vila = [found["LongVA-7B"], found["VILA-1.5-8B"]]  # 29.1 and 28.9
    assert vila[0].low < vila[1].place
    assert vila[0].p_next == 1.0
    assert sum("InternVL2-8B (" in name for name in found) == 2  # printed twice, by two sources


def test_what_cannot_be_ranked_is_refused(runs: Path, tmp_path: Path) -> None:
    cases: dict[tuple[str | Path, ...], str] = {
        (): "give two at least",
        (runs / "a",): "give two at least",
        (runs, "--by", "colour"): "There is no score 'colour'",
        (runs, "--published", "GPT-4o"): "Leave out --published",
        ("--published", "GPT-4o", "--published", "no such"): "no published row 'no such'",
    }
    for words, message in cases.items():
        refuses(warm.vicabench(tmp_path, "rank", *words), message)
    refuses(warm.vicabench(tmp_path, "power", runs), "holds several runs")


def test_ranks_are_drawn_for_every_run_of_a_folder(runs: Path, tmp_path: Path) -> None:
    vb.figures([runs], kinds="ranks", formats="svg", out=tmp_path)
    drawn = (tmp_path / "ranks.svg").read_text(encoding="utf-8")
    assert all(f">{name}<" in drawn for name in "abcd")
