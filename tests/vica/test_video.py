from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vica.video import VideoError, available_decoders, read_frames, sample_indices

from tests import videos

REFERENCE = Path(__file__).parents[1] / "fixtures" / "frame_indices.json"
DECODERS = tuple(available_decoders())
BOTH = pytest.mark.skipif(len(DECODERS) < 2, reason="decord has no build for this platform")

CLIPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "B-frames in one long group": {"frames": 100, "gop": 1000, "b_frames": 3},
    "variable frame rate": {
        "frames": 40,
        "b_frames": 2,
        "ticks": np.cumsum(np.random.default_rng(0).integers(300, 4000, 40)).tolist(),
    },
    "odd sides": {"size": (129, 97), "pixels": "yuv444p"},
    "BT.709, full range": {"tags": (1, 2)},
    "turned a quarter": {"size": (160, 128), "rotation": 90},
    "turned a half": {"size": (160, 128), "rotation": 180},
    "turned three quarters": {"size": (160, 128), "rotation": 270},
}


@pytest.mark.parametrize("row", json.loads(REFERENCE.read_text()), ids=lambda row: row["total"])
def test_samples_the_frames_that_the_published_models_were_run_on(row: dict[str, Any]) -> None:
    assert sample_indices(row["total"], row["count"]).tolist() == row["indices"]


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("settings", CLIPS.values(), ids=CLIPS)
def test_gives_the_frames_it_says(tmp_path: Path, decoder: str, settings: dict[str, Any]) -> None:
    clip = videos.write_clip(tmp_path / "clip.mp4", **settings)

    frames = read_frames(clip, 13, decoder=decoder)

    assert frames.total == settings.get("frames", 30)
    assert frames.indices.tolist() == sample_indices(frames.total, 13).tolist()
    quarters = settings.get("rotation", 0) // 90
    as_filmed = np.rot90(frames.pixels_THWC, -quarters, axes=(1, 2))
    assert [videos.index_of(image) for image in as_filmed] == frames.indices.tolist()
    assert frames.decoder == decoder


@BOTH
@pytest.mark.parametrize("settings", CLIPS.values(), ids=CLIPS)
def test_both_decoders_give_the_same_pixels(tmp_path: Path, settings: dict[str, Any]) -> None:
    clip = videos.write_clip(tmp_path / "clip.mp4", **settings)

    one, other = (read_frames(clip, 13, decoder=decoder) for decoder in DECODERS)

    np.testing.assert_array_equal(one.pixels_THWC, other.pixels_THWC)
    assert (one.seconds, one.duration) == (other.seconds, other.duration)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_short_video_is_sampled_with_repeats(tmp_path: Path, decoder: str) -> None:
    clip = videos.write_clip(tmp_path / "clip.mp4", frames=5)

    frames = read_frames(clip, 8, decoder=decoder)

    assert [videos.index_of(image) for image in frames.pixels_THWC] == [0, 0, 1, 1, 2, 2, 3, 4]


def test_times_are_frame_numbers_over_the_average_rate(tmp_path: Path) -> None:
    frames = read_frames(videos.write_clip(tmp_path / "clip.mp4", frames=49, fps=24), 3)

    assert frames.seconds == (0.0, 1.0, 2.0)
    assert frames.duration == pytest.approx(49 / 24)


def text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("not a video\n" * 100)
    return folder / "text.mp4"


def empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def pointer(folder: Path) -> Path:
    (folder / "a.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    return folder / "a.mp4"


def faststart(folder: Path) -> Path:
    return videos.write_clip(folder / "whole.mp4", frames=100, b_frames=2, faststart=True)


def matroska(folder: Path) -> Path:
    return videos.remux(faststart(folder), folder / "whole.mkv", container="matroska")


BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "none.mp4", "No such file"),
    "folder": (lambda folder: folder, "is a folder"),
    "empty": (empty, "is empty"),
    "text": (text, "is no video"),
    "Git-LFS pointer": (pointer, "git lfs pull"),
    "sound only": (lambda folder: videos.write_sound(folder / "sound.mp4"), "no video stream"),
    "index missing": (
        lambda folder: videos.cut(
            videos.write_clip(folder / "whole.mp4"), folder / "cut.mp4", keep=0.6
        ),
        "cut short before its index",
    ),
    "pictures missing": (
        lambda folder: videos.cut(faststart(folder), folder / "cut.mp4", keep=0.8),
        "is cut short: its frames reach to byte",
    ),
    "cut between two frames": (
        lambda folder: videos.cut_between_frames(faststart(folder), folder / "c.mp4", frames=60),
        "is cut short: its frames reach to byte",
    ),
    "Matroska, cut": (
        lambda folder: videos.cut(matroska(folder), folder / "cut.mkv", keep=0.6),
        "is cut short: it ends after",
    ),
    "a hole in the middle": (
        lambda folder: videos.blank(faststart(folder), folder / "hole.mp4", start=0.4, stop=0.6),
        "decord fails|is damaged",
    ),
}


@pytest.mark.parametrize("decoder", ["auto", *DECODERS])
@pytest.mark.parametrize(("make", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_not_whole_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], reason: str, decoder: str
) -> None:
    broken = make(tmp_path)

    with pytest.raises(VideoError, match=reason) as caught:
        read_frames(broken, 16, decoder=decoder)

    assert str(caught.value).startswith(f"{broken}: ")


def test_frames_hidden_by_an_edit_list_are_not_counted(tmp_path: Path) -> None:
    whole = videos.write_clip(tmp_path / "whole.mp4", frames=30, gop=1000)
    trimmed = videos.remux(whole, tmp_path / "trimmed.mp4", hide=10)

    frames = read_frames(trimmed, 20)

    assert frames.total == 20
    assert [videos.index_of(image) for image in frames.pixels_THWC] == list(range(10, 30))


@BOTH
def test_a_decoder_that_would_make_up_frames_is_refused(tmp_path: Path) -> None:
    whole = videos.write_clip(tmp_path / "whole.mp4", frames=30, gop=1000)
    trimmed = videos.remux(whole, tmp_path / "trimmed.mp4", hide=10)

    with pytest.raises(VideoError, match="decord finds 30 frames, the file has 20"):
        read_frames(trimmed, 20, decoder="decord")


def test_without_decord_pyav_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "decord", None)  # as Python marks what cannot be imported
    clip = videos.write_clip(tmp_path / "clip.mp4")

    assert read_frames(clip, 4).decoder == "pyav"
    assert list(available_decoders()) == ["pyav"]
    with pytest.raises(VideoError, match="decord cannot be imported"):
        read_frames(clip, 4, decoder="decord")


def test_an_unknown_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose auto or one of decord, pyav"):
        read_frames(videos.write_clip(tmp_path / "clip.mp4"), 4, decoder="ffmpeg")
