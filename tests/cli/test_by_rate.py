"""`--fps`: which frames a model is shown, exactly, and what a run keeps of the rule."""

import json
from pathlib import Path
from typing import Any

import pytest
from vica.video import ByRate, read_frames

from tests.support import Vicabench, refuses, rows_about, write_jsonl
from tests.videos import index_of, write_clip

SEES = """
def frames(video, questions):
    shown = [round(second * 24) for second in video.seconds]
    return [" ".join(map(str, shown)) for _ in questions]
"""


@pytest.mark.parametrize(
    ("total", "fps", "most", "indices"),
    [
        (24, 8.0, 0, [0, 3, 6, 9, 12, 15, 18, 21]),
        (24, 7.0, 0, [0, 3, 6, 9, 12, 15, 18, 21]),  # 24 / 7 is rounded to every third
        (24, 100.0, 0, list(range(24))),
        (24, 0.1, 0, [0]),
        (25, 8.0, 4, [0, 8, 16, 24]),  # beyond the most: uniform, with the last
        (24, 8.0, 8, [0, 3, 6, 9, 12, 15, 18, 21]),
    ],
)
def test_the_rule_takes_every_nth_frame_up_to_the_most(
    total: int, fps: float, most: int, indices: list[int]
) -> None:
    assert ByRate(fps=fps, most=most).indices(total, 24.0).tolist() == indices


def test_a_run_by_rate_shows_those_frames_and_keeps_the_rule(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    (tmp_path / "my.py").write_text(SEES)
    for clip, frames in enumerate((24, 48)):
        write_clip(tmp_path / f"clip{clip}.mp4", frames=frames)
    rate = read_frames(tmp_path / "clip0.mp4", 1).fps
    write_jsonl(tmp_path / "q.jsonl", [row for row in rows_about(2) if row["id"].endswith("-0")])
    run = ("run", "-b", "q.jsonl", "-m", "./my.py:frames", "-o", "r", "--frame-cache", "cache")
    fps = ("--fps", str(rate / 6), "--max-frames", "6")
    done = vicabench(*run, *fps)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "r/predictions.jsonl").read_text().splitlines()
    shown = {row["video"]: row["response"] for row in map(json.loads, lines)}
    step = 24 / rate  # SEES counts in 24ths of a second
    assert [round(int(n) / step) for n in shown["clip0"].split()] == [0, 6, 12, 18]
    assert [round(int(n) / step) for n in shown["clip1"].split()] == [0, 9, 18, 28, 37, 47]
    config = json.loads((tmp_path / "r/config.json").read_text())["config"]
    assert config["frames"] == 6
    assert config["sampling"].startswith("by rate: every max(1, round(average rate / ")
    assert vicabench(*run, *fps).returncode == 0
    refuses(vicabench(*run, "--fps", "1", "--max-frames", "6"), "sampling")
    refuses(vicabench(*run, "--frames", "6"), "sampling")
    refuses(vicabench(*run, "--fps", "1", "--frames", "6"), "--frames and --fps contradict")
    refuses(vicabench(*run, "--max-frames", "6"), "--max-frames bounds the frames of --fps")


def test_frames_by_rate_count_by_the_average_rate(tmp_path: Path) -> None:
    even = write_clip(tmp_path / "even.mp4", frames=30, gop=5)
    # Half of the frames come at 24 a second, the other half at 8.
    ticks = [1000 * i for i in range(15)] + [15_000 + 3000 * i for i in range(15)]
    uneven = write_clip(tmp_path / "uneven.mp4", frames=30, gop=5, ticks=ticks)
    rates = [read_frames(path, 1).fps for path in (even, uneven)]
    assert rates[1] < 0.8 * rates[0]
    for path, rate in zip((even, uneven), rates, strict=True):
        for decoder in ("auto", "pyav"):
            taken = read_frames(path, ByRate(fps=rate / 7), decoder=decoder)
            assert [index_of(image) for image in taken.pixels_THWC] == [0, 7, 14, 21, 28]
            bounded = read_frames(path, ByRate(fps=rate / 7, most=3), decoder=decoder)
            assert [index_of(image) for image in bounded.pixels_THWC] == [0, 14, 29]


def test_a_dry_run_by_rate_says_so_and_knows_the_rule(vicabench: Vicabench, tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(SEES)
    write_clip(tmp_path / "clip0.mp4")
    write_jsonl(tmp_path / "q.jsonl", rows_about(1))
    how = ("run", "-b", "q.jsonl", "-m", "./my.py:frames", "-o", "runs/r")
    assert vicabench(*how, "--fps", "2").returncode == 0

    def plan(*words: str) -> Any:
        (found,) = json.loads(vicabench(*how, *words, "--dry-run", "--format", "json").stdout)
        return found

    same, other = plan("--fps", "2"), plan("--fps", "4")
    assert (same["frames"], same["fps"], same["conflict"]) == (None, 2.0, None)
    assert same["seconds_a_video"] is not None
    assert other["conflict"].startswith("sampling is by rate: every max(1, round(average rate / 2)")
    assert other["seconds_a_video"] is None  # that of another rate says nothing
    shown = vicabench(*how, "--fps", "2", "--dry-run").stdout
    assert "1 (2 frames a second)" in shown
    (tmp_path / "clip0.mp4").unlink()
    shown = vicabench(*how, "--fps", "2", "--max-frames", "4", "--dry-run").stdout
    assert "1 (2 frames a second, at most 4 of a video; 1 not on this disk)" in " ".join(
        shown.split()
    )
