"""The frame cache returns correct frames, whatever happens to its files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from vica.containers import Facts
from vica.video import DECODERS, Frames, Sample, Taken, decode_in_order, read_frames

from tests.videos import write_clip
from vicabench.engine.frame_cache import FrameCache, key_of, read_video

FRAMES = 4
ROOM = 10**9


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    """Three different clips whose frames have the same size."""
    return [write_clip(tmp_path / f"clip{n}.mp4", frames=10 + n) for n in range(3)]


def cache_at(folder: Path, limit_bytes: int = ROOM) -> FrameCache:
    cache = FrameCache(folder=folder / "cache", limit_bytes=limit_bytes)
    cache.check()
    return cache


def entries(cache: FrameCache) -> set[str]:
    return {file.name for file in cache.folder.iterdir() if file.suffix == ".frames"}


def same(one: Frames, other: Frames) -> bool:
    facts = [(f.seconds, f.duration, f.total, f.fps, f.decoder) for f in (one, other)]
    return (
        np.array_equal(one.pixels_THWC, other.pixels_THWC)
        and np.array_equal(one.indices, other.indices)
        and facts[0] == facts[1]
    )


def test_decoded_frames_are_read_from_the_cache(tmp_path: Path, clips: list[Path]) -> None:
    cache = cache_at(tmp_path)
    first = read_video(clips[0], FRAMES, "auto", cache)
    clips[0].rename(tmp_path / "moved.mp4")  # the key depends on the content
    second = read_video(tmp_path / "moved.mp4", FRAMES, "auto", cache)
    assert (first.cached, second.cached) == (False, True)
    assert same(second.frames, read_frames(tmp_path / "moved.mp4", FRAMES))


def test_another_content_count_or_decoder_is_decoded(tmp_path: Path, clips: list[Path]) -> None:
    cache = cache_at(tmp_path)
    read_video(clips[0], FRAMES, "auto", cache)
    clips[0].write_bytes(clips[1].read_bytes())
    others = [(clips[0], FRAMES, "auto"), (clips[0], 5, "auto"), (clips[0], FRAMES, "pyav")]
    for path, count, decoder in others:
        reading = read_video(path, count, decoder, cache)
        assert not reading.cached
        assert same(reading.frames, read_frames(path, count, decoder=decoder))


@pytest.mark.parametrize("harm", ["torn", "flipped", "swapped", "empty"])
def test_a_damaged_entry_is_decoded_again(tmp_path: Path, clips: list[Path], harm: str) -> None:
    cache = cache_at(tmp_path)
    for clip in clips[:2]:
        read_video(clip, FRAMES, "auto", cache)
    entry, other = (cache.folder / f"{key_of(clip, FRAMES, 'auto')}.frames" for clip in clips[:2])
    whole = entry.read_bytes()
    harmed = {
        "torn": whole[: len(whole) // 2],
        "flipped": whole[:-1] + bytes([whole[-1] ^ 1]),
        "swapped": other.read_bytes(),
        "empty": b"",
    }
    entry.write_bytes(harmed[harm])

    reading = read_video(clips[0], FRAMES, "auto", cache)
    assert not reading.cached
    assert reading.warning is not None
    assert "damaged entry" in reading.warning
    assert same(reading.frames, read_frames(clips[0], FRAMES))
    assert entry.read_bytes() == whole


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_an_entry_that_is_a_link_or_a_pipe_is_replaced(
    tmp_path: Path, clips: list[Path], kind: str
) -> None:
    cache = cache_at(tmp_path)
    whole = read_video(clips[0], FRAMES, "auto", cache).frames
    entry = cache.folder / f"{key_of(clips[0], FRAMES, 'auto')}.frames"
    elsewhere = entry.rename(tmp_path / "elsewhere")
    before = elsewhere.stat().st_mtime_ns
    if kind == "link":
        entry.symlink_to(elsewhere)
    else:
        os.mkfifo(entry)
    reading = read_video(clips[0], FRAMES, "auto", cache)
    assert not reading.cached
    assert f"cannot be read: it is a {kind}" in str(reading.warning)
    assert same(reading.frames, whole)
    assert elsewhere.stat().st_mtime_ns == before
    assert read_video(clips[0], FRAMES, "auto", cache).cached


def test_the_least_recently_used_entries_are_deleted(tmp_path: Path, clips: list[Path]) -> None:
    for clip in clips[:2]:
        read_video(clip, FRAMES, "auto", cache_at(tmp_path))
    keys = [f"{key_of(clip, FRAMES, 'auto')}.frames" for clip in clips]
    two = sum((cache_at(tmp_path).folder / key).stat().st_size for key in keys[:2])
    cache = cache_at(tmp_path, two + 100)
    (cache.folder / "mine.txt").write_text("not a cached video")
    for age, key in ((20, keys[0]), (10, keys[1])):
        now = (cache.folder / key).stat().st_mtime
        os.utime(cache.folder / key, (now - age, now - age))

    assert read_video(
        clips[0], FRAMES, "auto", cache
    ).cached  # now used more recently than the second
    read_video(clips[2], FRAMES, "auto", cache)
    assert entries(cache) == {keys[0], keys[2]}
    assert (cache.folder / "mine.txt").exists()


def test_rewriting_an_entry_deletes_no_other(tmp_path: Path, clips: list[Path]) -> None:
    frames = [read_frames(clip, FRAMES) for clip in clips[:2]]
    keys = [str(n) * 64 for n in range(2)]
    for key, its in zip(keys, frames, strict=True):
        cache_at(tmp_path).write(key, its)
    sizes = [(cache_at(tmp_path).folder / f"{key}.frames").stat().st_size for key in keys]
    cache_at(tmp_path, sum(sizes)).write(keys[1], frames[1])
    assert entries(cache_at(tmp_path)) == {f"{key}.frames" for key in keys}


def test_partial_files_of_other_writers_count(tmp_path: Path, clips: list[Path]) -> None:
    frames = [read_frames(clip, FRAMES) for clip in clips[:2]]
    keys = [str(n) * 64 for n in range(2)]
    cache_at(tmp_path).write(keys[0], frames[0])
    size = (cache_at(tmp_path).folder / f"{keys[0]}.frames").stat().st_size
    (cache_at(tmp_path).folder / "other.partial").write_bytes(bytes(size // 2))
    cache_at(tmp_path, 2 * size + 100).write(keys[1], frames[1])
    assert entries(cache_at(tmp_path)) == {f"{keys[1]}.frames"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that gives an error when read")
def test_an_unreadable_video_is_not_blamed_on_the_cache(
    tmp_path: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def last(path: Path, facts: Facts, sample: Sample) -> Taken:
        taken = decode_in_order(path, facts, sample)
        path.unlink()
        path.symlink_to("/proc/self/mem")  # a plain file; reading its first byte is an error
        return taken

    monkeypatch.setitem(DECODERS, "last", last)
    wanted = read_frames(clips[0], FRAMES).pixels_THWC
    reading = read_video(clips[0], FRAMES, "last", cache_at(tmp_path))
    assert reading.warning is None
    assert np.array_equal(reading.frames.pixels_THWC, wanted)


def test_frames_larger_than_the_cache_are_decoded_with_a_warning(
    tmp_path: Path, clips: list[Path]
) -> None:
    cache = cache_at(tmp_path, 1000)
    reading = read_video(clips[0], FRAMES, "auto", cache)
    assert same(reading.frames, read_frames(clips[0], FRAMES))
    assert reading.warning is not None
    assert "larger than the whole cache" in reading.warning
    assert entries(cache) == set()


READER = """
import sys
from pathlib import Path
from vica.video import read_frames
from vicabench.engine.frame_cache import read_video
from vicabench.engine.frame_cache import FrameCache

folder, limit, *clips = sys.argv[1:]
cache = FrameCache(folder=Path(folder), limit_bytes=int(limit))
wanted = {clip: read_frames(Path(clip), 64).pixels_THWC.tobytes() for clip in clips}
for turn in range(60):
    clip = clips[turn % len(clips)]
    reading = read_video(Path(clip), 64, "auto", cache)
    assert reading.warning is None, reading.warning
    assert reading.frames.pixels_THWC.tobytes() == wanted[clip]
"""


def test_processes_sharing_a_full_cache_get_correct_frames(
    tmp_path: Path, clips: list[Path]
) -> None:
    """There is room for two of three videos, so every process deletes entries that others read."""
    cache = cache_at(tmp_path)
    read_video(clips[0], 64, "auto", cache)
    (first,) = entries(cache)
    limit = 2 * (cache.folder / first).stat().st_size + 100
    command = [sys.executable, "-c", READER, str(cache.folder), str(limit), *map(str, clips)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err

    assert sum(file.stat().st_size for file in cache.folder.iterdir()) <= limit
    assert {file.suffix for file in cache.folder.iterdir()} <= {".frames", ""}  # "": the lock
