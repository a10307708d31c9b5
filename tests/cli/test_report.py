"""`vicabench report`: a page from any runs, and tables; what the page does is in tests/browser."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from tests.support import Row, Vicabench, read_jsonl, refuses, rows_about, write_jsonl
from tests.videos import picture
from vicabench.engine.frame_cache import fitted, jpegs


def answered(reply: str | None = None, videos: int = 3) -> list[Row]:
    """Rows with the truth as the reply, or with one reply to everything."""
    return [{**row, "response": reply or row["ground_truth"]} for row in rows_about(videos)]


@pytest.fixture
def two_runs(tmp_path: Path) -> Path:
    """A folder with the predictions `good.jsonl` and `bad.jsonl`."""
    write_jsonl(tmp_path / "good.jsonl", answered())
    write_jsonl(tmp_path / "bad.jsonl", answered("A"))
    return tmp_path


def block(page: str, name: str) -> dict[str, object]:
    """The content of one of the page's data elements."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page)
    assert found, f"no {name}"
    content: dict[str, object] = json.loads(found[1])
    return content


def test_missing_video_costs_only_its_own_frames(
    vicabench: Vicabench, tmp_path: Path, clips: Path
) -> None:
    rows = [*answered(), {**answered()[0], "id": "x", "video": "gone"}]
    write_jsonl(tmp_path / "p.jsonl", rows)
    done = vicabench("report", "p.jsonl", "--videos", clips, "--frames", "2")
    assert done.returncode == 0, done.stderr
    assert "2 frames of each of 3 videos; 1 could not be shown." in done.stderr
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('id="frames-') == 4
    shown = block(page, "frames-0")
    assert (shown["width"], shown["height"], shown["seconds"]) == (128, 96, [0.0, 0.46])
    assert "gone.mp4 is missing" in str(block(page, "frames-3")["error"])


def test_page_reports_what_it_leaves_out(vicabench: Vicabench, two_runs: Path) -> None:
    write_jsonl(two_runs / "numbers.jsonl", [r for r in answered() if r["options"] is None])
    done = vicabench("report", "numbers.jsonl", "good.jsonl", "--out", "page.html")
    assert done.returncode == 0, done.stderr
    assert "No frames are shown: the folder of the videos is unknown" in done.stderr
    page = (two_runs / "page.html").read_text(encoding="utf-8")
    assert 'id="frames-' not in page
    assert "are left out: numbers and good were not asked the same questions" in page
    assert "<figure" not in page


def test_tables_for_a_readme_and_a_paper_say_what_made_them(
    vicabench: Vicabench, two_runs: Path
) -> None:
    words = ("report", "good.jsonl", "--compare", "bad.jsonl", "--protocol", "official,lmms-eval")
    shown = vicabench(*words, "--format", "markdown").stdout
    command = f"vicabench {' '.join(words)} --format markdown"
    assert f"    {command}" in shown.splitlines()
    assert "**Averages by protocol**" in shown
    assert "**A: bad, B: good**" in shown
    paper = vicabench(*words, "--format", "latex", "--out", "tables.tex")
    assert (paper.stdout, paper.returncode) == ("", 0)
    latex = (two_runs / "tables.tex").read_text(encoding="utf-8")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\bottomrule") == 5
    assert f"% {command.replace('markdown', 'latex --out tables.tex')}" in latex.splitlines()


def test_differently_worded_questions_are_reported(vicabench: Vicabench, two_runs: Path) -> None:
    other = [{**row, "question": f"Look well. {row['question']}"} for row in answered()]
    write_jsonl(two_runs / "other.jsonl", other)
    done = vicabench("report", "good.jsonl", "other.jsonl", "--frames", "0")
    assert done.returncode == 0, done.stderr
    page = (two_runs / "report.html").read_text(encoding="utf-8")
    said = "good and other: Shared questions with different wording or option order"
    assert f"{said}: {len(other)}." in page


def test_what_cannot_be_reported_is_refused_with_what_to_do(
    vicabench: Vicabench, two_runs: Path
) -> None:
    other = {**answered()[9], "ground_truth": "B"}
    write_jsonl(two_runs / "other.jsonl", [other])
    refuses(vicabench("report", "good.jsonl", "other.jsonl"), "ground truth differ", "one by one")
    refuses(vicabench("report", "good.jsonl", "./good.jsonl"), "named twice")
    refuses(vicabench("report", "good.jsonl", "--out", "good.jsonl"), "not overwritten")
    refuses(vicabench("report", "good.jsonl", "--format", "pdf"), "html, markdown, latex")
    refuses(vicabench("report", "good.jsonl", "--videos", "nowhere"), "is not a folder", "--videos")
    light = ("report", "good.jsonl", "--frames", "0")
    refuses(
        vicabench(*light, "--videos", ".", "--workers", "2"), "leave out --videos and --workers"
    )
    refuses(vicabench(*light, "--format", "latex"), "leave out --frames")
    refuses(
        vicabench("report", "good.jsonl", "--compare", "good.jsonl"), "name at least one more run"
    )
    (two_runs / "link.html").symlink_to(two_runs / "other.jsonl")
    os.mkfifo(two_runs / "pipe.html")
    for kind in ("link", "pipe"):
        refuses(vicabench("report", "good.jsonl", "--out", f"{kind}.html"), f"it is a {kind}")
    assert read_jsonl(two_runs / "other.jsonl") == [other]
    assert vicabench("report", "good.jsonl", "--out", "/dev/stdout").stdout.startswith("<!doctype")


def test_pictures_keep_to_the_room_they_have() -> None:
    frames_THWC = np.stack([picture(index, 640, 480) for index in range(4)])
    size = fitted(480, 640, tall=180)
    assert size == (240, 180)
    large, small = (
        sum(len(jpeg) for jpeg in jpegs(frames_THWC, size=size, room=room))
        for room in (10**6, 20_000)
    )
    assert large > 20_000 >= small > 0
    assert jpegs(frames_THWC, size=size, room=1_000) == ()
