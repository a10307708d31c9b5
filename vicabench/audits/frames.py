"""Which videos show the same frames, whatever they are called: by a perceptual fingerprint.

The fingerprint of a frame is its thumbnail of 16 x 16 grey levels, with a mean of 0 and a length of
1; the product of two is their correlation. It survives another size and another encoding. Bits, as
most hashes have them, flip in the flat walls of rooms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from vica.containers import VideoError
from vica.video import read_frames

Prints = NDArray[np.float32]
FRAMES = 32
"""Frames that are sampled from a video, spread evenly."""
SIDE = 16
FLAT = 4.0
"""The standard deviation of grey levels below which a frame shows nothing to compare."""
NEAR = 0.95
"""The least correlation of the same frame: copies of rendered rooms have 0.99, others up to 0.8."""
FEWEST, SHARE = 3, 0.25
"""How many frames, and which share of those compared, have to be in another video."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """The training video that shows most frames of a video, and their share."""

    file: str
    share: float


@dataclass(frozen=True, kw_only=True)
class SameFrames:
    """Videos of a benchmark that show frames of training videos.

    Attributes:
        found: By video.
        compared: How many videos of the benchmark were compared.
        media: How many training videos were compared.
        failed: Videos on either side that could not be decoded.
    """

    found: Mapping[str, Match]
    compared: int
    media: int
    failed: tuple[str, ...]


def same_frames(
    videos: Mapping[str, Path],
    media: Sequence[Path],
    *,
    frames: int = FRAMES,
    progress: Callable[[str, int], None] | None = None,
) -> SameFrames:
    """Compare the videos of a benchmark, by name, with training videos.

    A video that cannot be decoded is counted, and ends nothing.
    """
    failed: list[str] = []
    known: dict[str, Prints] = {}
    for number, (name, path) in enumerate(sorted(videos.items())):
        _tell(progress, "videos of the benchmark", number)
        prints = _prints_of(path, frames, failed)
        if prints is not None and len(prints):
            known[name] = prints
    owners = np.repeat(np.arange(len(known)), [len(each) for each in known.values()])
    all_NP = np.concatenate([*known.values(), np.zeros((0, SIDE**2), np.float32)])
    best: dict[str, Match] = {}
    seen = 0
    for number, path in enumerate(media):
        _tell(progress, "training videos", number)
        prints = _prints_of(path, frames, failed)
        if prints is None:
            continue
        seen += 1
        counts = np.bincount(owners[_has_near(all_NP, prints)], minlength=len(known))
        for name, count in zip(known, counts, strict=True):
            share = float(count) / len(known[name])
            enough = count >= FEWEST and share >= SHARE
            if enough and (name not in best or share > best[name].share):
                best[name] = Match(file=path.name, share=share)
    return SameFrames(found=best, compared=len(known), media=seen, failed=tuple(failed))


def _tell(progress: Callable[[str, int], None] | None, what: str, number: int) -> None:
    if progress:
        progress(what, number)


def _prints_of(path: Path, frames: int, failed: list[str]) -> Prints | None:
    try:
        pixels_THWC = read_frames(path, frames).pixels_THWC
    except (VideoError, OSError) as error:
        failed.append(f"{path.name}: {error}")
        return None
    return prints_of(pixels_THWC)


def prints_of(pixels_THWC: NDArray[np.uint8]) -> Prints:
    """The fingerprints of frames (uint8 RGB), float32 (T', 256); flat frames are left out."""
    grey_THW = pixels_THWC.astype(np.float32).mean(axis=3)
    grid_TP = _reduced(_reduced(grey_THW, SIDE, axis=1), SIDE, axis=2).reshape(len(grey_THW), -1)
    shown_TP = grid_TP[grid_TP.std(axis=1) >= FLAT]
    centred_TP = shown_TP - shown_TP.mean(axis=1, keepdims=True)
    return np.asarray(centred_TP / np.linalg.norm(centred_TP, axis=1, keepdims=True))


def _reduced(image_THW: NDArray[np.float32], cells: int, axis: int) -> NDArray[np.float32]:
    """The means of so many bands along an axis; a shorter axis is repeated first."""
    if image_THW.shape[axis] < cells:
        image_THW = np.repeat(image_THW, -(-cells // image_THW.shape[axis]), axis=axis)
    size = image_THW.shape[axis]
    starts = np.arange(cells) * size // cells
    sums = np.add.reduceat(image_THW, starts, axis=axis)
    lengths = np.diff([*starts, size]).astype(np.float32)
    shape = [1, 1, 1]
    shape[axis] = cells
    return np.asarray(sums / lengths.reshape(shape), dtype=np.float32)


def _has_near(all_NP: Prints, others_MP: Prints) -> NDArray[np.bool_]:
    """Which fingerprints correlate highly with one of the others: (N,)."""
    if not len(others_MP):
        return np.zeros(len(all_NP), dtype=np.bool_)
    return np.asarray((all_NP @ others_MP.T).max(axis=1) >= NEAR, dtype=np.bool_)
