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
from vica.video import ByRate, Frames, read_frames

import vicabench
from vicabench import files
from vicabench.engine.frame_rules import ByRule
from vicabench.errors import ConfigError, counted
from vicabench.files import digest_of

SAMPLING = "uniform: numpy.linspace(0, total - 1, frames, dtype=int)"
"""Which frames `vica.video.read_frames` takes; part of a run's configuration and of cache keys."""


Count = int | ByRate | ByRule
"""How many frames of a video are taken, or the rule that says which."""


def most_of(count: Count) -> int:
    """The most frames of a video; 0 without a limit."""
    if isinstance(count, int):
        return count
    return count.most if count.fps else count.frames if isinstance(count, ByRule) else 0


def sampling_with(decoder: str, count: Count = 0) -> str:
    """The sampling of a run that reads with `decoder`; all but decord give the same frames."""
    rule = _rule(count)
    return f"{rule}, as decord reads them" if decoder == "decord" else rule


def _rule(count: Count) -> str:
    if isinstance(count, ByRule):
        return str(count)
    if not isinstance(count, ByRate):
        return SAMPLING
    most = f"; beyond {counted(count.most, 'frame')} {SAMPLING}" if count.most else ""
    return f"by rate: every max(1, round(average rate / {count.fps:g}))-th frame{most}"


def header_of(frames: Frames) -> dict[str, Any]:
    """All of `frames` but the pixels, as JSON values; JSON keeps floats exactly."""
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
    """Rebuild frames from their header and pixels.

    Args:
        header: What `header_of` returned.
        pixels: uint8, in any shape of the right size.

    Raises:
        LookupError, TypeError, ValueError: For a header in any other form.
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
"""Part of every key: raise it when the form of entries or the decoded pixels change."""
SUFFIX, PARTIAL = ".frames", ".partial"
ENTRY = re.compile(rf"[0-9a-f]{{64}}{re.escape(SUFFIX)}")
"""Only entries and partial files are ever deleted, whatever else is in the folder."""
LOCK_SECONDS = 30.0
STALE_SECONDS = 3600.0
"""A partial file of this age was left by a killed writer."""


class DamagedEntryError(Exception):
    """An entry that is incomplete, was changed, or belongs to another key."""


@dataclass(frozen=True, kw_only=True)
class FrameCache:
    """A folder of decoded frames of at most `limit_bytes`; any number of processes may share it.

    Reading and writing raise OSError for failures of the cache; the video can still be decoded.
    """

    folder: Path
    limit_bytes: int

    def check(self) -> None:
        """Create the folder if it does not exist.

        Raises:
            ConfigError: If it cannot be written.
        """
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
        """Read the frames of a key; None if there are none.

        Raises:
            DamagedEntryError: For a damaged entry, which is deleted.
        """
        entry = self._entry(key)
        try:
            with files.opened(entry, files.READ) as file:
                frames = _read(file, key)
                os.utime(file.fileno())  # the least recently used entries are deleted first
        except FileNotFoundError:
            return None
        except DamagedEntryError:
            entry.unlink(missing_ok=True)
            raise
        return frames

    def write(self, key: str, frames: Frames) -> None:
        """Store frames under a key; OSError also if they are larger than the whole cache."""
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
        """Delete the least recently used entries until the cache is within its limit.

        Counted are entries and the partial files of all writers. The entry of `key` is not
        counted, because `partial` replaces it.
        """
        size = partial.stat().st_size
        if size > self.limit_bytes:
            raise OSError(
                errno.EFBIG, f"a video of {counted(size, 'byte')} is larger than the whole cache"
            )
        entries, total = [], 0
        for file in os.scandir(self.folder):
            with suppress(OSError):  # another process may have deleted it
                if file.name.endswith(PARTIAL) and _is_stale(file):
                    Path(file.path).unlink()
                elif file.name.endswith(PARTIAL):
                    total += file.stat(follow_symlinks=False).st_size
                elif ENTRY.fullmatch(file.name) and file.name != key + SUFFIX:
                    stat = file.stat(follow_symlinks=False)
                    entries.append((stat.st_mtime_ns, stat.st_size, file.path))
        total += sum(entry_size for _, entry_size, _ in entries)
        for _, entry_size, path in sorted(entries):
            if total <= self.limit_bytes:
                return
            Path(path).unlink(missing_ok=True)
            total -= entry_size


def key_of(path: Path, frames: Count, decoder: str) -> str | None:
    """The cache key for `frames` frames of a video read with `decoder`, which may be `auto`.

    Returns:
        None for anything but a plain file, which is not cached.

    Raises:
        OSError: If the file cannot be read.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return digest_of(
        {
            "format": FORMAT,
            "content": content,
            "frames": most_of(frames),
            "sampling": _rule(frames),
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
        raise DamagedEntryError("its checksum does not match")
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
    """Frames, whether they came from the cache, and a `warning` if the cache has a problem."""

    frames: Frames
    cached: bool = False
    warning: str | None = None


def read_video(path: Path, count: Count, decoder: str, cache: FrameCache | None) -> Reading:
    """Read frames from the cache, or decode them and store them there.

    Raises:
        VideoError: As `vica.video.read_frames` raises it.
    """
    key = _key(path, count, decoder) if cache else None
    if cache is None or key is None:
        return Reading(frames=read_frames(path, count, decoder=decoder))
    warning = None
    try:
        if frames := cache.read(key):
            return Reading(frames=frames, cached=True)
    except DamagedEntryError as error:
        warning = f"a damaged entry of {cache.folder} was decoded again: {error}"
    except OSError as error:
        warning = f"{cache.folder} cannot be read: {_reason(error)}"
    frames = read_frames(path, count, decoder=decoder)
    stored = _store(cache, key, frames, _key(path, count, decoder))
    return Reading(frames=frames, warning=stored or warning)


def _key(path: Path, count: Count, decoder: str) -> str | None:
    """The key of a video; None if it has none, or cannot be read: decoding reports that."""
    try:
        return key_of(path, count, decoder)
    except OSError:
        return None


def _store(cache: FrameCache, key: str, frames: Frames, again: str | None) -> str | None:
    """Write to the cache; return what went wrong, if anything."""
    # Hashed again: the file may have been replaced while it was being decoded.
    if key != again:
        return None
    try:
        cache.write(key, frames)
    except OSError as error:
        return f"{cache.folder} cannot be written: {_reason(error)}; its videos are decoded"
    return None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


QUALITIES = (4, 6, 9, 13, 18, 24, 31)
"""Values of FFmpeg's quantiser scale for JPEG, best quality first."""


def jpegs(frames_THWC: NDArray[np.uint8], *, size: tuple[int, int], room: int) -> tuple[bytes, ...]:
    """Encode uint8 RGB frames as JPEGs of `size` (width, height), all in the same quality.

    Returns:
        The frames in the best quality with which all fit into `room` bytes together; nothing if
        they do not fit in the lowest quality.
    """
    for quality in QUALITIES:
        pictures = [_jpeg(frame_HWC, size, quality) for frame_HWC in frames_THWC]
        if sum(map(len, pictures)) <= room:
            return tuple(pictures)
    return ()


def fitted(height: int, width: int, *, tall: int) -> tuple[int, int]:
    """(width, height), even, of a frame scaled down to a height of at most `tall` pixels."""
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
