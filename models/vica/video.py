"""Video to frames: which frames a model is shown, and reading exactly those from a file.

The published models were run on frames sampled uniformly and decoded by decord. Both decoders
here give the same pixels, so which one a machine has does not change an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vica.decoders import (
    Facts,
    VideoError,
    decode_with_decord,
    decode_with_pyav,
    inspect,
    load_decord,
)

__all__ = [
    "DECODERS",
    "Frames",
    "VideoError",
    "available_decoders",
    "read_frames",
    "sample_indices",
]

AUTO = "auto"
DECODERS: dict[str, Callable[[Path, Facts, NDArray[np.int64]], NDArray[np.uint8]]] = {
    "decord": decode_with_decord,
    "pyav": decode_with_pyav,
}
"""In the order in which `auto` tries them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """Frames sampled from a video, in the order they are shown.

    `pixels_THWC` is uint8 RGB, upright; `indices` are the T frame numbers, counted from 0, and
    `seconds` their times, frame number over average rate, as the published models were told;
    `duration` is `total` frames over `fps`. `decoder` is the one that was used.
    """

    pixels_THWC: NDArray[np.uint8]
    indices: NDArray[np.int64]
    seconds: tuple[float, ...]
    duration: float
    total: int
    fps: float
    decoder: str


def sample_indices(total: int, count: int) -> NDArray[np.int64]:
    """The numbers of `count` frames spread evenly over `total`, the first and the last included.

    Rounded down; numbers repeat where the video has fewer than `count` frames. This is how the
    published models were trained and evaluated. Raises VideoError when there is nothing to sample.
    """
    if total < 1 or count < 1:
        raise VideoError(f"cannot sample {count} frames from a video of {total}")
    return np.linspace(0, total - 1, count, dtype=np.int64)


def read_frames(path: str | Path, count: int, *, decoder: str = AUTO) -> Frames:
    """Sample `count` frames of the video at `path`; memory is bounded by those frames.

    `decoder` is `decord`, `pyav`, or `auto`: decord, and PyAV where decord is not installed or
    fails on this file. Raises VideoError when the file cannot give exactly these frames, and
    ValueError for a decoder that does not exist.
    """
    if decoder != AUTO and decoder not in DECODERS:
        raise ValueError(f"no decoder {decoder!r}: choose {AUTO} or one of {', '.join(DECODERS)}")
    path = Path(path)
    facts = inspect(path)
    indices = sample_indices(facts.total, count)
    pixels_THWC, used = _decode(path, facts, indices, decoder)
    return Frames(
        pixels_THWC=pixels_THWC,
        indices=indices,
        seconds=tuple(float(index) / facts.fps for index in indices),
        duration=facts.total / facts.fps,
        total=facts.total,
        fps=facts.fps,
        decoder=used,
    )


def available_decoders() -> dict[str, str]:
    """The version of each decoder that can be imported here, by name."""
    versions = {"pyav": av.__version__}
    try:
        return {"decord": str(load_decord().__version__), **versions}
    except VideoError:
        return versions


def _decode(
    path: Path, facts: Facts, indices: NDArray[np.int64], decoder: str
) -> tuple[NDArray[np.uint8], str]:
    """The frames, and the name of the decoder that gave them."""
    if decoder != AUTO:
        return DECODERS[decoder](path, facts, indices), decoder
    try:
        return decode_with_decord(path, facts, indices), "decord"
    except VideoError:
        return decode_with_pyav(path, facts, indices), "pyav"
