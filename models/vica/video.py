"""Video to frames: which frames a model is shown, and reading exactly those from a file.

Frame k is the k-th that a player shows, so what an edit list hides is not counted; and it is what
decoding the whole file in order gives, bit for bit, of every kind of file that is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vica.containers import VideoError
from vica.decoders import (
    Sample,
    Taken,
    decode,
    decode_in_order,
    decode_with_decord,
    load_decord,
)
from vica.packets import Facts, inspect
from vica.wording import counted

__all__ = [
    "DECODERS",
    "Frames",
    "VideoError",
    "available_decoders",
    "read_frames",
    "sample_indices",
]

AUTO = "auto"
DECODERS: dict[str, Callable[[Path, Facts, Sample], Taken]] = {
    AUTO: decode,
    "pyav": decode_in_order,
    "decord": decode_with_decord,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """Frames sampled from a video, in the order they are shown.

    `pixels_THWC` is uint8 RGB, upright; `indices` are the T frame numbers, counted from 0, and
    `seconds` their times, frame number over average rate, as the published models were told;
    `duration` is `total` frames over `fps`. `decoder` is the one that was used (`pyav`, `decord`);
    `warnings` are what should be known about these frames.
    """

    pixels_THWC: NDArray[np.uint8]
    indices: NDArray[np.int64]
    seconds: tuple[float, ...]
    duration: float
    total: int
    fps: float
    decoder: str
    warnings: tuple[str, ...] = ()


def sample_indices(total: int, count: int) -> NDArray[np.int64]:
    """The numbers of `count` frames spread evenly over `total`, the first and the last included.

    Rounded down; numbers repeat where the video has fewer than `count` frames. This is how the
    published models were trained and evaluated. Raises VideoError when there is nothing to sample.
    """
    if total < 1 or count < 1:
        raise VideoError(f"cannot sample {counted(count, 'frame')} from a video of {total}")
    return np.linspace(0, total - 1, count, dtype=np.int64)


def read_frames(path: str | Path, count: int, *, decoder: str = AUTO) -> Frames:
    """Sample `count` frames of the video at `path`; memory is bounded by those frames.

    `decoder` is `auto`: PyAV, which leaves out groups of pictures without a wanted frame where the
    file proves that it can; `pyav`: the same frames, all decoded in order; or `decord`: what the
    reference code is given, with a warning where that is not the same. Raises VideoError when the
    file cannot give exactly these frames, and ValueError for a decoder that does not exist.
    """
    if decoder not in DECODERS:
        raise ValueError(f"no decoder {decoder!r}: choose {', '.join(DECODERS)}")
    path = Path(path)
    facts = inspect(path)
    taken = DECODERS[decoder](path, facts, lambda total: sample_indices(total, count))
    indices = sample_indices(taken.total, count)
    return Frames(
        pixels_THWC=taken.pixels_THWC,
        indices=indices,
        seconds=tuple(float(index) / facts.fps for index in indices),
        duration=taken.total / facts.fps,
        total=taken.total,
        fps=facts.fps,
        decoder="decord" if decoder == "decord" else "pyav",
        warnings=taken.warnings + ((facts.doubt,) if facts.doubt else ()),
    )


def available_decoders() -> dict[str, str]:
    """The version of each decoder that can be imported here, by name."""
    versions = {"pyav": av.__version__}
    try:
        return {**versions, "decord": str(load_decord().__version__)}
    except VideoError:
        return versions
