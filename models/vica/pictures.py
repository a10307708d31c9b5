"""Converting a decoded frame to upright RGB pixels, as the reference code does."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vica.containers import VideoError, reason

SCALER = "bicubic"
"""FFmpeg's default, which decord uses too; it smooths chroma of more than 8 bits."""
LEAST = 0.01
"""A display matrix may be off by this share: some cameras round."""


class Painter:
    """Turns decoded frames of one file into pixels.

    Interlaced frames are used as stored, both fields woven into one picture, and their colours
    are converted as in progressive frames. Limited range is stretched to 0..255 with the file's
    coefficients (BT.601 if it states none).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._graphs: dict[tuple[str, int, int, int, int], Graph] = {}

    def pixels(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """The frame as [H, W, 3] uint8 RGB, rotated and mirrored by the file's display matrix.

        Raises:
            VideoError: The matrix does more than that, or the pixel format is unknown.
        """
        try:
            graph = self._graph(frame)
            graph.push(frame)
            image_HWC = np.asarray(graph.pull().to_ndarray(), np.uint8)
        except av.FFmpegError as error:
            raise VideoError(
                f"{self._path}: cannot be converted to RGB: {frame.format.name}, {reason(error)}"
            ) from error
        return _upright(self._path, image_HWC, _matrix(frame))

    def _graph(self, frame: VideoFrame) -> Graph:
        """The filter graph for frames of this kind, built once."""
        kind = (
            frame.format.name,
            frame.width,
            frame.height,
            int(frame.colorspace),
            int(frame.color_range),
        )
        if kind not in self._graphs:
            graph = Graph()
            size = f"{frame.width}x{frame.height}"
            source = f"video_size={size}:pix_fmt={frame.format.name}:time_base=1/1"
            source += f":colorspace={int(frame.colorspace)}:range={int(frame.color_range)}"
            nodes = [
                graph.add("buffer", source),
                graph.add("setfield", "prog"),
                graph.add("scale", f"flags={SCALER}"),
                graph.add("format", "rgb24"),
                graph.add("buffersink"),
            ]
            graph.link_nodes(*nodes).configure()
            self._graphs[kind] = graph
        return self._graphs[kind]


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int] | None:
    """The display matrix (a, b, c, d), which moves pixel (x, y) to (a x + c y, b x + d y)."""
    sides: Any = frame.side_data
    for side in sides:
        if side.type == Type.DISPLAYMATRIX:
            a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side))
            return a, b, c, d
    return None


def _upright(
    path: Path, image_HWC: NDArray[np.uint8], matrix: tuple[int, int, int, int] | None
) -> NDArray[np.uint8]:
    """The image rotated by quarter turns and mirrored, as this matrix states."""
    if matrix is None:
        return image_HWC
    a, b, c, d = matrix
    small = LEAST * max(map(abs, matrix))
    if min(abs(a), abs(d)) > small >= max(abs(b), abs(c)):
        across, down = a, d
    elif min(abs(b), abs(c)) > small >= max(abs(a), abs(d)):
        image_HWC = image_HWC.swapaxes(0, 1)
        across, down = c, b
    elif not any(matrix):
        raise VideoError(f"{path}: its display matrix shrinks it to nothing")
    else:
        angle = math.degrees(math.atan2(b, a))
        raise VideoError(
            f"{path}: its display matrix rotates it by {angle:.0f} degrees or skews it"
        )
    return image_HWC[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
