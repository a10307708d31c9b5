"""Which face is seen where: an exact z-buffer over convex quadrilaterals, in NumPy.

Every face is cut into horizontal spans, all faces at once, and the spans into fragments; a
fragment is one 64-bit number, depth above face, so that one `maximum.at` settles visibility.
A face is described by homogeneous half-planes (Olano and Greer, "Triangle Scan Conversion using
2D Homogeneous Coordinates", 1997), which also hold for a face that reaches behind the eye:
there is no near plane to clip against.

Legend: F faces, S scan lines, W pixels a line; "homogeneous" is (x w, y w, w) in pixels, where
w is the depth along the optical axis and the centre of the first pixel is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TINY = 1e-12
_FACE_BITS = 16
_FACE_MASK = (1 << _FACE_BITS) - 1
_BEHIND = 1e-6


@dataclass(frozen=True, kw_only=True)
class ScanLines:
    """Where an image is sampled: line k lies at y = `y_S[k]`, its samples at 0, 1, .. + `x_S[k]`.

    `lines` is the number of lines in a pixel's height, all of the same pattern.
    """

    width: int
    y_S: Floats
    x_S: Floats
    lines: int


def centres(width: int, height: int) -> ScanLines:
    """One sample in the middle of every pixel."""
    y_S = np.arange(height, dtype=np.float64)
    return ScanLines(width=width, y_S=y_S, x_S=np.zeros(height), lines=1)


def four_a_pixel(width: int, height: int) -> ScanLines:
    """Four samples a pixel on a rotated grid: steep and flat edges both get four steps."""
    y_S = (np.arange(4 * height) + 0.5) / 4 - 0.5
    x_S = np.tile(np.array([-0.125, 0.375, -0.375, 0.125]), height)
    return ScanLines(width=width, y_S=y_S, x_S=x_S, lines=4)


def visible(quads_F43: Floats, scan: ScanLines) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The nearest face at every sample, and its inverse depth there.

    `quads_F43` are homogeneous corners of faces that turn towards the eye, in the order that is
    counter-clockwise seen from outside. Returns `face_SW` (-1 where there is none) and
    `inverse_SW` (1 / depth, 0 where there is none). Raises ValueError above 65,535 faces.
    """
    if len(quads_F43) > _FACE_MASK:
        raise ValueError(f"{len(quads_F43)} faces in view; at most {_FACE_MASK} can be told apart")
    nearest = np.zeros(len(scan.y_S) * scan.width, dtype=np.int64)
    sample, face, inverse = fragments(quads_F43, scan)
    # The bits of a positive float order as the float does.
    key = (inverse.view(np.int32).astype(np.int64) << _FACE_BITS) | (face + 1)
    np.maximum.at(nearest, sample, key)
    nearest_SW = nearest.reshape(len(scan.y_S), scan.width)
    face_SW = (nearest_SW & _FACE_MASK).astype(np.int32) - 1
    return face_SW, (nearest_SW >> _FACE_BITS).astype(np.int32).view(np.float32)


def fragments(
    quads_F43: Floats, scan: ScanLines
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Every sample that every face covers: its index in the image, the face, the inverse depth."""
    face, line, first, last = _spans(quads_F43, scan)
    depth_F3 = _inverse_depth(quads_F43)[face]
    count = last - first
    total = int(count.sum())
    step = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
    sample = np.repeat(line * scan.width + first, count) + step
    x = first + scan.x_S[line]
    start = depth_F3[:, 0] * x + depth_F3[:, 1] * scan.y_S[line] + depth_F3[:, 2]
    inverse = np.repeat(start.astype(np.float32), count)
    inverse += np.repeat(depth_F3[:, 0].astype(np.float32), count) * step.astype(np.float32)
    return sample, np.repeat(face, count), np.maximum(inverse, np.float32(_TINY))


def _spans(
    quads_F43: Floats, scan: ScanLines
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Non-empty spans of samples: face, scan line, first sample, one past the last sample."""
    top_F, bottom_F = _line_range(quads_F43, scan)
    rows_F = np.maximum(bottom_F - top_F, 0)
    face = np.repeat(np.arange(len(quads_F43)), rows_F)
    line = np.arange(len(face)) + np.repeat(top_F - (np.cumsum(rows_F) - rows_F), rows_F)
    slope_F4, offset_F4, opens_F4 = _bounds(quads_F43)
    y = scan.y_S[line]
    low = np.zeros(len(face)) + scan.x_S[line]
    high = low + scan.width
    shift = scan.x_S[line]
    for edge in range(4):
        x = slope_F4[face, edge] * y + offset_F4[face, edge]
        opens = opens_F4[face, edge]
        np.maximum(low, x, out=low, where=opens)
        np.minimum(high, x, out=high, where=~opens)
    # Half open: a sample on the edge of two faces belongs to one of them.
    first = np.ceil(low - shift).astype(np.int64)
    last = np.ceil(np.maximum(high, low) - shift).clip(max=scan.width).astype(np.int64)
    kept = last > first
    return face[kept], line[kept], first[kept], last[kept]


def _line_range(quads_F43: Floats, scan: ScanLines) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one past the last scan line that a face can touch; none for one out of sight."""
    w_F4 = quads_F43[..., 2]
    ahead_F = (w_F4 > _BEHIND).all(axis=1)
    safe_F4 = np.where(w_F4 > _BEHIND, w_F4, 1.0)
    x_F4, y_F4 = quads_F43[..., 0] / safe_F4, quads_F43[..., 1] / safe_F4
    lines = len(scan.y_S)
    top_F = np.ceil((y_F4.min(axis=1) + 0.5) * scan.lines - 0.5)
    bottom_F = np.ceil((y_F4.max(axis=1) + 0.5) * scan.lines - 0.5)
    aside_F = ahead_F & ((x_F4.max(axis=1) < -1) | (x_F4.min(axis=1) > scan.width))
    out_F = aside_F | ~(w_F4 > 0).any(axis=1)
    top_F = np.where(ahead_F, top_F.clip(0, lines), 0)
    bottom_F = np.where(ahead_F, bottom_F.clip(0, lines), lines)
    return top_F.astype(np.int64), np.where(out_F, top_F, bottom_F).astype(np.int64)


def _bounds(quads_F43: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Each edge as a bound on x along a line: x >= slope y + offset where it opens, else <=."""
    following_F43 = np.roll(quads_F43, -1, axis=1)
    plane_F43 = np.cross(following_F43, quads_F43)
    a_F4 = np.where(plane_F43[..., 0] == 0, _TINY, plane_F43[..., 0])
    return -plane_F43[..., 1] / a_F4, -plane_F43[..., 2] / a_F4, a_F4 > 0


def _inverse_depth(quads_F43: Floats) -> Floats:
    """Coefficients (F, 3) of 1 / w as a linear function of (x, y, 1) in the image."""
    diagonal = quads_F43[:, 2] - quads_F43[:, 0]
    other = quads_F43[:, 3] - quads_F43[:, 1]
    normal_F3 = np.cross(diagonal, other)
    height_F = np.einsum("fk,fk->f", normal_F3, quads_F43[:, 0])
    result: Floats = normal_F3 / np.where(height_F == 0, _TINY, height_F)[:, None]
    return result
