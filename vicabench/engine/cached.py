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
    if cache is None:
        return Reading(frames=read_frames(path, count, decoder=decoder))
    key = warning = None
    try:
        key = key_of(path, count, decoder)
        found = cache.read(key) if key else None
        if found:
            return Reading(frames=found, cached=True)
    except DamagedEntryError as error:
        warning = f"a damaged entry of {cache.folder} was decoded again: {error}"
    except OSError as error:
        warning = f"{cache.folder} cannot be read: {_reason(error)}"
    frames = read_frames(path, count, decoder=decoder)
    return Reading(frames=frames, warning=_keep(cache, key, frames, path, decoder) or warning)


def _keep(
    cache: FrameCache, key: str | None, frames: Frames, path: Path, decoder: str
) -> str | None:
    """Write to the cache; what went wrong, if something did."""
    try:
        # Hashed again: the file may have become another one while it was being decoded.
        if key and key == key_of(path, len(frames.indices), decoder):
            cache.write(key, frames)
    except OSError as error:
        return f"{cache.folder} cannot be written: {_reason(error)}; its videos are decoded"
    return None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
