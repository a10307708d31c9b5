"""Read a video through the frame cache, whose troubles never cost a video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vica.video import Frames, read_frames

from vicabench.engine.frame_cache import DamagedEntryError, FrameCache, key_of


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
    return Reading(frames=frames, warning=_keep(cache, key, frames, path, decoder) or warning)


def _key(path: Path, count: int, decoder: str) -> str | None:
    """The key of a video, None if it has none; what is wrong with the file, decoding will tell."""
    try:
        return key_of(path, count, decoder)
    except OSError:
        return None


def _keep(cache: FrameCache, key: str, frames: Frames, path: Path, decoder: str) -> str | None:
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
