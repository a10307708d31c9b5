"""Decoded frames kept on disk across runs, and small pictures of them for reports."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from vica.video import Frames, read_frames

import vicabench
from vicabench import files
from vicabench.errors import ConfigError, counted
from vicabench.files import digest_of

SAMPLING = "uniform: numpy.linspace(0, total - 1, frames, dtype=int)"
"""Which frames `vica.video.read_frames` takes, as runs and cached frames are told apart by it."""


def sampling_with(decoder: str) -> str:
    """The same for a run that reads with `decoder`: all but decord give the same frames."""
    return f"{SAMPLING}, as decord reads them" if decoder == "decord" else SAMPLING


def header_of(frames: Frames) -> dict[str, Any]:
    """Everything but the pixels, as JSON values; floats survive JSON exactly."""
    return {
        "shape": list(frames.pixels_THWC.shape),
        "indices": frames.indices.tolist(),
        "seconds": list(frames.seconds),
        "duration": frames.duration,
        "total": frames.total,
        "fps": frames.fps,
        "decoder": frames.decoder,
        "warnings": list(frames.warnings),
    }


def frames_of(header: Mapping[str, Any], pixels: NDArray[np.uint8]) -> Frames:
    """The frames again; raises LookupError, TypeError or ValueError for a header of another kind.

    `pixels` are uint8, in any shape of the right size.
    """
    return Frames(
        pixels_THWC=pixels.reshape(header["shape"]),
        indices=np.array(header["indices"], np.int64),
        seconds=tuple(header["seconds"]),
        duration=header["duration"],
        total=header["total"],
        fps=header["fps"],
        decoder=header["decoder"],
        warnings=tuple(header["warnings"]),
    )


FORMAT = 2
"""Part of every key: to be raised when entries, or the pixels made of a video, change."""
SUFFIX, PARTIAL = ".frames", ".partial"
ENTRY = re.compile(rf"[0-9a-f]{{64}}{re.escape(SUFFIX)}")
"""Only files of such names are ever deleted, whatever else is in the folder."""
LOCK_SECONDS = 30.0
STALE_SECONDS = 3600.0
"""A partial file of this age is what a killed writer left."""


class DamagedEntryError(Exception):
    """An entry that is torn, was changed, or is not what its name says."""


@dataclass(frozen=True, kw_only=True)
class FrameCache:
    """A folder of decoded frames that takes up to `limit_bytes`; any number of processes share it.

    Reading and writing raise OSError, which concerns the cache alone: the video can be decoded.
    """

    folder: Path
    limit_bytes: int

    def check(self) -> None:
        """Make the folder if need be; ConfigError unless it can be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise ConfigError(
                f"--frame-cache {self.folder} cannot be written: {error.strerror}. "
                "Choose another folder, or leave it out."
            ) from None

    def read(self, key: str) -> Frames | None:
        """The frames of this key, or None. DamagedEntryError for an entry that is deleted now."""
        entry = self._entry(key)
        try:
            with files.opened(entry, files.READ) as file:
                frames = _read(file, key)
                os.utime(file.fileno())  # the least recently used go first
        except FileNotFoundError:
            return None
        except DamagedEntryError:
            entry.unlink(missing_ok=True)
            raise
        return frames

    def write(self, key: str, frames: Frames) -> None:
        """Keep the frames under this key. OSError too when they are larger than the whole cache."""
        descriptor, name = tempfile.mkstemp(dir=self.folder, prefix=key[:8], suffix=PARTIAL)
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _write(file, key, frames)
            with FileLock(self.folder / ".lock", timeout=LOCK_SECONDS):
                self._make_room(partial, key)
                partial.replace(self._entry(key))
        finally:
            partial.unlink(missing_ok=True)

    def _entry(self, key: str) -> Path:
        return self.folder / (key + SUFFIX)

    def _make_room(self, partial: Path, key: str) -> None:
        """Delete the least recently used entries until all is within the limit.

        All is the other entries and what writers have written so far; the entry of `key` is
        replaced by `partial`, so its bytes are not counted.
        """
        size = partial.stat().st_size
        if size > self.limit_bytes:
            raise OSError(
                errno.EFBIG, f"a video of {counted(size, 'byte')} is larger than the whole cache"
            )
        entries, total = [], 0
        for file in os.scandir(self.folder):
            with suppress(OSError):  # gone meanwhile
                if file.name.endswith(PARTIAL) and _is_stale(file):
                    Path(file.path).unlink()
                elif file.name.endswith(PARTIAL):
                    total += file.stat(follow_symlinks=False).st_size
                elif ENTRY.fullmatch(file.name) and file.name != key + SUFFIX:
                    there = file.stat(follow_symlinks=False)
                    entries.append((there.st_mtime_ns, there.st_size, file.path))
        total += sum(entry_size for _, entry_size, _ in entries)
        for _, entry_size, path in sorted(entries):
            if total <= self.limit_bytes:
                return
            Path(path).unlink(missing_ok=True)
            total -= entry_size


def key_of(path: Path, frames: int, decoder: str) -> str | None:
    """The key for `frames` frames of the video at `path` read with `decoder` (`auto` is one too).

    None for what is not a plain file, and cannot be cached. OSError if it cannot be read.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return digest_of(
        {
            "format": FORMAT,
            "content": content,
            "frames": frames,
            "sampling": SAMPLING,
            "decoder": decoder,
            "versions": {name: _version(name) for name in ("av", "decord", "decord2")},
            "ffmpeg": av.library_versions,
            "vicabench": vicabench.__version__,
            "machine": platform.machine(),
        }
    )


def _write(file: BinaryIO, key: str, frames: Frames) -> None:
    header = json.dumps({"key": key, **header_of(frames)}).encode() + b"\n"
    pixels = np.ascontiguousarray(frames.pixels_THWC).data
    digest = hashlib.sha256(header)
    digest.update(pixels)
    file.write(digest.hexdigest().encode() + b"\n")
    file.write(header)
    file.write(pixels)


def _read(file: BinaryIO, key: str) -> Frames:
    stated, header = file.readline().strip(), file.readline()
    pixels = np.frombuffer(file.read(), np.uint8)
    digest = hashlib.sha256(header)
    digest.update(pixels.data)
    if digest.hexdigest().encode() != stated:
        raise DamagedEntryError("its checksum does not fit")
    try:
        values = json.loads(header)
        if values["key"] != key:
            raise DamagedEntryError("it is another video's")
        return frames_of(values, pixels)
    except (LookupError, TypeError, ValueError) as error:
        raise DamagedEntryError(str(error)) from error


def _is_stale(file: os.DirEntry[str]) -> bool:
    return time.time() - file.stat(follow_symlinks=False).st_mtime > STALE_SECONDS


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Frames, whether they came from the cache, and a `warning` if something is wrong with it."""

    frames: Frames
    cached: bool = False
    warning: str | None = None


def read_video(path: Path, count: int, decoder: str, cache: FrameCache | None) -> Reading:
    """`vica.video.read_frames`, or the same from the cache; what was decoded is kept there.

    Raises VideoError, as that does.
    """
    key = _key(path, count, decoder) if cache else None
    if cache is None or key is None:
        return Reading(frames=read_frames(path, count, decoder=decoder))
    warning = None
    try:
        if found := cache.read(key):
            return Reading(frames=found, cached=True)
    except DamagedEntryError as error:
        warning = f"a damaged entry of {cache.folder} was decoded again: {error}"
    except OSError as error:
        warning = f"{cache.folder} cannot be read: {_reason(error)}"
    frames = read_frames(path, count, decoder=decoder)
    return Reading(frames=frames, warning=_store(cache, key, frames, path, decoder) or warning)


def _key(path: Path, count: int, decoder: str) -> str | None:
    """The key of a video, None if it has none; what is wrong with the file, decoding will tell."""
    try:
        return key_of(path, count, decoder)
    except OSError:
        return None


def _store(cache: FrameCache, key: str, frames: Frames, path: Path, decoder: str) -> str | None:
    """Write to the cache; what went wrong, if something did."""
    # Hashed again: the file may have become another one while it was being decoded.
    if key != _key(path, len(frames.indices), decoder):
        return None
    try:
        cache.write(key, frames)
    except OSError as error:
        return f"{cache.folder} cannot be written: {_reason(error)}; its videos are decoded"
    return None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


QUALITIES = (4, 6, 9, 13, 18, 24, 31)
"""FFmpeg's quantiser scale for JPEG, best first."""


def jpegs(frames_THWC: NDArray[np.uint8], *, size: tuple[int, int], room: int) -> tuple[bytes, ...]:
    """The uint8 RGB frames as JPEGs of `size` (width, height), all of one quality.

    The best quality that fits into `room` bytes together; where none does, as many of the frames,
    evenly spread, as fit at the lowest: possibly none.
    """
    found: list[bytes] = []
    for quality in QUALITIES:
        found = [_jpeg(frame_HWC, size, quality) for frame_HWC in frames_THWC]
        if sum(map(len, found)) <= room:
            return tuple(found)
    return ()


def fitted(height: int, width: int, *, tall: int) -> tuple[int, int]:
    """(width, height) in even pixels of a frame scaled to be at most `tall`; never enlarged."""
    scale = min(1.0, tall / height)
    return _even(width * scale), _even(height * scale)


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))


def _jpeg(frame_HWC: NDArray[np.uint8], size: tuple[int, int], quality: int) -> bytes:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), format="rgb24")
    picture = picture.reformat(
        *size, format="yuvj420p", interpolation="AREA", dst_color_range="JPEG"
    )
    picture.pts, picture.time_base = 0, Fraction(1, 25)
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height = size
    codec.pix_fmt, codec.time_base = "yuvj420p", Fraction(1, 25)
    codec.options = {"qmin": str(quality), "qmax": str(quality)}
    return b"".join(bytes(packet) for packet in [*codec.encode(picture), *codec.encode(None)])
