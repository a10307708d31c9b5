"""The leaderboard: what it ranks, what it shows beside a score, and what a reader chooses."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import vicabench as vb
from tests.runs import write_run
from tests.support import rows_about
from vicabench.benchmarks.vsi_bench import COUNTS, LAST_ID, published_pruned_ids
from vicabench.errors import ConfigError
from vicabench.harnesses.protocols import find_protocols
from vicabench.reporting.leaderboard import boards
from vicabench.results.run import load_runs


def answered(share: int) -> list[dict[str, Any]]:
    """Every `share`-th question right, the others without a readable reply."""
    return [
        {**row, "response": f"{row['ground_truth']} indeed" if place % share == 0 else "none"}
        for place, row in enumerate(rows_about(8))
    ]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    made = [
        write_run(tmp_path / "good", "lab/good", answered(1)),
        write_run(tmp_path / "poor", "lab/poor", answered(2)),
        write_run(tmp_path / "grey", "lab/good", answered(3), adapter={"blind": True}),
    ]
    (made[0] / "report.html").write_text("<p>its report</p>", encoding="utf-8")
    return made


def test_a_blind_run_stands_in_the_row_of_its_model(runs: list[Path]) -> None:
    (board,) = boards(load_runs(runs), find_protocols("official"), published=False)
    good, poor = board.entries
    assert (good.name, poor.name) == ("lab/good", "lab/poor")
    assert good.rank is not None
    assert (good.rank.low, good.rank.high) == (1, 1)
    grey = vb.load(runs[2]).scores(find_protocols("official")[0]).overall
    assert good.blind == grey
    assert poor.blind is None
    (alone,) = boards(load_runs(runs[2:]), find_protocols("official"), published=False)
    assert [entry.name for entry in alone.entries] == ["lab/good (blind)"]


def test_a_run_on_other_questions_has_no_rank(runs: list[Path], tmp_path: Path) -> None:
    part = write_run(tmp_path / "part", "lab/part", answered(1)[:60])
    (board,) = boards(load_runs([*runs, part]), find_protocols("official"), published=False)
    by_name = {entry.name: entry for entry in board.entries}
    assert by_name["lab/part"].rank is None
    assert by_name["lab/poor"].rank is not None


def test_page_links_reports_and_holds_every_protocol(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    file = tmp_path / "site" / "index.html"
    text = vb.leaderboard(runs, out=file, protocol="official,extracted", title="<b>Ours</b>")
    assert file.read_text(encoding="utf-8") == text
    assert 'href="../good/report.html"' in text
    assert "&lt;b&gt;Ours&lt;/b&gt;" in text
    assert (
        text.count('data-protocol="official@51e089c"')
        == text.count('data-protocol="extracted"')
        == 2
    )


def test_a_whole_run_on_vsi_bench_has_its_debiased_score(tmp_path: Path) -> None:
    pruned = sorted(published_pruned_ids(), key=int)
    others = (str(n) for n in range(LAST_ID) if str(n) not in published_pruned_ids())
    ids = [*pruned, *islice(others, COUNTS["debiased"])]
    kinds = rows_about(1)
    rows = [{**kinds[place % 10], "id": key, "response": "none"} for place, key in enumerate(ids)]
    for row in rows[: len(pruned)]:
        row["response"] = row["ground_truth"]
    whole = write_run(tmp_path / "whole", "lab/whole", rows, benchmark="vsi-bench")
    part = write_run(tmp_path / "part", "lab/part", rows[:-1], benchmark="vsi-bench")
    (board,) = boards(load_runs([whole, part]), find_protocols("official"), published=False)
    by_name = {entry.name: entry for entry in board.entries}
    debiased = by_name["lab/whole"].debiased
    assert debiased is not None
    assert (debiased.mean, debiased.count) == (0.0, COUNTS["debiased"])
    assert by_name["lab/whole"].score > 40
    assert by_name["lab/part"].debiased is None


def test_a_page_never_replaces_a_run(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="predictions"):
        vb.leaderboard(runs, out=runs[0] / "predictions.jsonl")
    with pytest.raises(ConfigError, match="does not exist"):
        vb.leaderboard(runs, out=tmp_path / "none" / "page.html")


def test_a_model_on_two_benchmarks_is_one_model(runs: list[Path], tmp_path: Path) -> None:
    others = [{**row, "id": f"other-{row['id']}"} for row in answered(2)]
    rooms = write_run(tmp_path / "rooms", "lab/good", others, benchmark="rooms")
    page = vb.leaderboard([*runs, rooms], out=tmp_path / "page.html", progress=False)
    names = [
        entry.name
        for board in boards(load_runs([*runs, rooms]), find_protocols("official"), published=False)
        for entry in board.entries
    ]
    assert sorted(names) == ["lab/good", "lab/good", "lab/poor"]
    assert "2 models" in page
