"""Decoded frames kept on disk across runs, for twenty checkpoints are asked about the same videos.

An entry is one file, `KEY.frames`: a line with the SHA-256 of all that follows, a line of JSON,
and the raw pixels. The key is a digest of the video's content and of all that decides which pixels
are made of it, so an entry is never out of date. Entries appear by rename, under a lock and after
the least recently used ones have made room for them. What its checksum does not confirm is never
used. The checksum guards against accidents: keep the folder where only you can write.

The pixels are raw because reading must be faster than decoding. Of a video of Rooms (decoded in
0.39 s) and of one with camera noise (0.82 s), 64 frames of 640x480 take this many seconds to write,
seconds to read, and megabytes, on two cores and a fast disk; their SHA-256 takes 0.03 s:

    raw                      0.03  0.06  59.0     0.05  0.03  59.0
    lz4                      0.22  0.11  21.5     0.19  0.07  59.0
    zstd                     0.33  0.14  15.6     0.17  0.16  59.0
    H.264, lossless RGB      0.23  0.64  15.6     0.46  0.78  46.8
    FFV1                     1.00  0.58   5.8     1.25  1.45  20.5

What makes noise any smaller is read no faster than the video itself is decoded.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from filelock import FileLock
from vica.video import Frames

import vicabench
from vicabench import files
from vicabench.engine.frames import SAMPLING, frames_of, header_of
from vicabench.errors import ConfigError
from vicabench.results.store import digest_of
from vicabench.text import counted

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
