"""Small pictures of a video's frames, for reports: JPEGs no larger than they are allowed to be."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

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
