"""Which face is visible where? An exact z-buffer over convex quadrilaterals, in NumPy.

All faces at once are cut into horizontal spans, and the spans into fragments. A fragment is one
64-bit number, depth above face, so that one `maximum.at` determines visibility. A face is described
by homogeneous half-planes (Olano and Greer, "Triangle Scan Conversion using 2D Homogeneous
Coordinates", 1997), which are also valid for a face that reaches behind the eye: no near plane is
needed for clipping.

Legend: F faces, S scan lines, W pixels a line; "homogeneous" is (x w, y w, w) in pixels, where
w is the depth along the optical axis and the centre of the first pixel is (0, 0).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicabench.errors import counted

Floats = NDArray[np.float64]

_TINY = 1e-12
_FACE_BITS = 16
_FACE_MASK = (1 << _FACE_BITS) - 1
_BEHIND = 1e-6


@dataclass(frozen=True, kw_only=True)
class ScanLines:
    """The samples of an image: line k is at y = `y_S[k]`, its samples at x = 0, 1, .. + `x_S[k]`.

    `lines` is the number of lines per row of pixels.
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
    """Four samples per pixel on a rotated grid: steep and flat edges both get four steps."""
    y_S = (np.arange(4 * height) + 0.5) / 4 - 0.5
    x_S = np.tile(np.array([-0.125, 0.375, -0.375, 0.125]), height)
    return ScanLines(width=width, y_S=y_S, x_S=x_S, lines=4)


@dataclass(frozen=True, kw_only=True, eq=False)
class Spans:
    """Runs of samples that a face covers on a scan line, in the order of the lines.

    `first` and `last` are the first sample and one past the last sample; the inverse depth is
    `start` at the first sample and changes by `slope` from sample to sample.
    """

    face: NDArray[np.int64]
    line: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    start: NDArray[np.float32]
    slope: NDArray[np.float32]


def visible(quads_F43: Floats, scan: ScanLines) -> NDArray[np.int64]:
    """The nearest fragment at every sample, (S, W); read it with `face_of` and `inverse_of`.

    `quads_F43` are homogeneous corners of faces that face the eye, counter-clockwise as seen from
    outside.

    Raises:
        ValueError: There are more than 65,535 faces.
    """
    return nearest(cut(quads_F43, scan), scan, 0, len(scan.y_S))


def face_of(nearest_SW: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the face, counted from 1; 0 for no face."""
    return nearest_SW & _FACE_MASK


def inverse_of(nearest_SW: NDArray[np.int64]) -> NDArray[np.float32]:
    """The inverse depth; 0 for no face."""
    return (nearest_SW >> _FACE_BITS).astype(np.int32).view(np.float32)


def nearest(spans: Spans, scan: ScanLines, top: int, bottom: int) -> NDArray[np.int64]:
    """The nearest fragments on the scan lines `top` to `bottom` (excluded), as from `visible`."""
    result = np.zeros((bottom - top) * scan.width, dtype=np.int64)
    part = slice(*np.searchsorted(spans.line, (top, bottom)))
    count = spans.last[part] - spans.first[part]
    before = np.cumsum(count, dtype=np.int32) - count.astype(np.int32)
    number = np.arange(int(count.sum()), dtype=np.int32)
    step = number - np.repeat(before, count)
    inverse = step.astype(np.float32)
    inverse *= np.repeat(spans.slope[part], count)
    inverse += np.repeat(spans.start[part], count)
    # The bits of positive floats, read as integers, have the same order as the floats; 0 is free.
    key = inverse.view(np.int32).astype(np.int64)
    key <<= _FACE_BITS
    key |= np.repeat(spans.face[part] + 1, count)
    begin = (spans.line[part] - top) * scan.width + spans.first[part]
    np.maximum.at(result, np.repeat(begin - before, count) + number, key)
    return result.reshape(bottom - top, scan.width)


def covered(quads_F43: Floats, scan: ScanLines) -> NDArray[np.int64]:
    """The indices in the image of the samples that any face covers; some are repeated."""
    spans = cut(quads_F43, scan)
    count = spans.last - spans.first
    return np.repeat(spans.line * scan.width + spans.first, count) + _counting(count)


def cut(quads_F43: Floats, scan: ScanLines) -> Spans:
    """All faces as spans; raises ValueError above 65,535 faces."""
    if len(quads_F43) > _FACE_MASK:
        raise ValueError(
            f"{counted(len(quads_F43), 'face')} in view; at most {_FACE_MASK} are supported"
        )
    face, line, first, last = _spans(quads_F43, scan)
    order = np.argsort(line, kind="stable")
    face, line, first, last = face[order], line[order], first[order], last[order]
    depth_F3 = _inverse_depth(quads_F43)[face]
    x, y = first + scan.x_S[line], scan.y_S[line]
    start = depth_F3[:, 0] * x + depth_F3[:, 1] * y + depth_F3[:, 2]
    return Spans(
        face=face,
        line=line,
        first=first,
        last=last,
        start=start.astype(np.float32),
        slope=depth_F3[:, 0].astype(np.float32),
    )


def _counting(count: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, .. below each count, concatenated."""
    return np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)


def _spans(
    quads_F43: Floats, scan: ScanLines
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The non-empty spans: face, scan line, first sample, one past the last sample."""
    top_F, bottom_F = _line_range(quads_F43, scan)
    rows_F = np.maximum(bottom_F - top_F, 0)
    face = np.repeat(np.arange(len(quads_F43)), rows_F)
    line = np.repeat(top_F, rows_F) + _counting(rows_F)
    y, shift = scan.y_S[line], scan.x_S[line]
    low, high = shift.copy(), shift + scan.width
    for slope_F, least_F, most_F in _bounds(quads_F43):
        x = slope_F.take(face) * y
        np.maximum(low, x + least_F.take(face), out=low)
        np.minimum(high, x + most_F.take(face), out=high)
    # Half-open intervals: a sample on the edge of two faces belongs to only one of them.
    first = np.ceil(low - shift).astype(np.int64)
    last = np.ceil(np.maximum(high, low) - shift).clip(max=scan.width).astype(np.int64)
    nonempty = last > first
    return face[nonempty], line[nonempty], first[nonempty], last[nonempty]


def _line_range(quads_F43: Floats, scan: ScanLines) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and one past the last scan line that a face can touch; empty if it is invisible."""
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


def _bounds(quads_F43: Floats) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Each edge as bounds along a line: slope y + least <= x <= slope y + most, one infinite."""
    plane_F43 = np.cross(np.roll(quads_F43, -1, axis=1), quads_F43)
    for edge in range(4):
        a_F, b_F, c_F = plane_F43[:, edge].T
        a_F = np.where(a_F == 0, _TINY, a_F)
        slope_F, at_F = -b_F / a_F, -c_F / a_F
        yield slope_F, np.where(a_F > 0, at_F, -np.inf), np.where(a_F > 0, np.inf, at_F)


def _inverse_depth(quads_F43: Floats) -> Floats:
    """Coefficients (F, 3) of 1 / w as a linear function of (x, y, 1) in the image."""
    diagonal = quads_F43[:, 2] - quads_F43[:, 0]
    other = quads_F43[:, 3] - quads_F43[:, 1]
    normal_F3 = np.cross(diagonal, other)
    height_F = np.einsum("fk,fk->f", normal_F3, quads_F43[:, 0])
    result: Floats = normal_F3 / np.where(height_F == 0, _TINY, height_F)[:, None]
    return result
