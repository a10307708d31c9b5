"""The bare room: which plane a ray hits, and its colour there.

The room is convex, so a ray leaves it through the plane with the largest inverse distance: no
polygons are rasterized. A texel is one 64-bit number with 16 bits for each of red, green and blue,
so that bilinear weights apply to all three at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicabench.rooms.camera import Pose, focal
from vicabench.rooms.light import FULL, Finish, Plane, planes
from vicabench.rooms.raster import Floats
from vicabench.rooms.scene import Scene

Single = NDArray[np.float32]
Packed = NDArray[np.uint64]
Page = tuple[Packed, NDArray[np.int32], np.int32]

RED, GREEN, BLUE = np.uint64(32), np.uint64(16), np.uint64(0)
"""The first bit of each colour in a packed number."""

BAND = 80
"""Rows drawn at a time, so that intermediate results stay in the processor's cache."""

_STEPS = 16
"""Bilinear weights are sixteenths."""

_HALF = np.int32(_STEPS // 2)

_BYTES = np.uint64(0x0000_00FF_00FF_00FF)

_SHARPNESS = 0.5
"""Below 1, texels are smaller than the area of a pixel: sharper, with a little shimmer."""

_SAMPLES = np.array([(-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375)])


class Backdrop:
    """The painted planes of one room, which can be drawn from any pose inside it."""

    def __init__(self, scene: Scene, painted: list[Floats], finish: Finish = FULL) -> None:
        """`painted` are the six planes (V, U, C) in the order of `planes.planes`."""
        self._finish = finish
        self._planes = planes(scene)
        self._pages = [_page(texels_VUC, finish.levels) for texels_VUC in painted]

    def sight(self, pose: Pose, width: int, height: int) -> Sight:
        """The room from one pose, in an image of this size."""
        lens = focal(width)
        faces = [
            _project(plane, page, pose, lens, self._finish)
            for plane, page in zip(self._planes, self._pages, strict=True)
        ]
        return Sight(lens=lens, middle=((width - 1) / 2, (height - 1) / 2), faces=faces)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Face:
    """A plane as linear functions of (across, down, 1) in the image, with its texels.

    `inverse` is one over the depth; `along` divided by it is u and v in sixteenths of a texel.
    `area` times the depth cubed is the area of a pixel, in texels.
    """

    inverse: Floats
    along: tuple[Floats, Floats]
    area: float
    texels: Packed
    starts_L: NDArray[np.int32]
    stride: np.int32

    def read(self, across: Single, down: Single, inverse: Single) -> Packed:
        """Bilinear colours where rays hit the plane, given the inverse of their depths."""
        far = np.reciprocal(inverse)
        level = self._level(far)
        # Fixed point: a shift converts texels of the finest level to those of any other level.
        # The padding moves every texel by one, and its centre is another half texel on.
        u, v = (
            ((_linear(slope, across, down) * far).astype(np.int32) >> level) + _HALF
            for slope in self.along
        )
        at = ((v >> 4) * self.stride + (u >> 4) + self.starts_L.take(level)).astype(np.intp)
        right, above = (u & 15).astype(np.uint64), (v & 15).astype(np.uint64)
        left = np.uint64(_STEPS) - right
        # "wrap" skips the check of the indices, which are inside the padded texels.
        lower = self.texels.take(at, mode="wrap")
        lower *= left
        at += 1
        other = self.texels.take(at, mode="wrap")
        other *= right
        lower += other
        at += self.stride
        upper = self.texels.take(at, mode="wrap")
        upper *= right
        at -= 1
        other = self.texels.take(at, mode="wrap")
        other *= left
        upper += other
        upper *= above
        lower *= np.subtract(np.uint64(_STEPS), above, out=above)
        lower += upper
        lower >>= np.uint64(8)
        lower &= _BYTES
        return lower

    def _level(self, far: Single) -> NDArray[np.int32] | np.int32:
        """The mip level whose texels are as large as a pixel; a scalar if all are the same."""
        ends = np.array([far.min(), far.max()])
        first, last = self._logarithm(ends)
        return first if first == last else self._logarithm(far)

    def _logarithm(self, far: Single) -> NDArray[np.int32]:
        # The exponent of the float, shifted by one more bit, is half the logarithm to base 2.
        area = far * far * far * np.float32(2 * self.area)
        return ((area.view(np.int32) >> 24) - 63).clip(0, len(self.starts_L) - 1)


def _project(plane: Plane, page: Page, pose: Pose, lens: float, finish: Finish) -> _Face:
    """A plane of the room as seen by a camera."""
    away = plane.distance(pose.position)
    inverse = pose.axes @ (-plane.inward / away)
    along_u, along_v = (
        finish.texels
        * _STEPS
        * (pose.axes @ axis + inverse * ((pose.position - plane.origin) @ axis))
        for axis in (plane.u_axis, plane.v_axis)
    )
    # A pixel covers (depth / lens)^2 / cos of the plane, with cos approximately away / depth.
    area = (_SHARPNESS * finish.texels / lens) ** 2 / away
    texels, starts_L, stride = page
    return _Face(
        inverse=inverse,
        along=(along_u, along_v),
        area=area,
        texels=texels,
        starts_L=starts_L,
        stride=stride,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Sight:
    """The planes of a room from one pose; `lens` and `middle` of the image in pixels."""

    lens: float
    middle: tuple[float, float]
    faces: list[_Face]

    def draw(self, width: int, height: int) -> Packed:
        """The picture (height, width), with smooth edges between planes."""
        colour = np.empty((height, width), dtype=np.uint64)
        plane = np.empty((height, width), dtype=np.int8)
        x = np.arange(width, dtype=np.float32)[None]
        for top in range(0, height, BAND):
            y = np.arange(top, min(top + BAND, height), dtype=np.float32)[:, None]
            colour[top : top + BAND], plane[top : top + BAND] = self._look(x, y)
        edge = np.flatnonzero(_edges(plane))
        if len(edge):
            places = np.stack([edge % width, edge // width], axis=1)[:, None] + _SAMPLES
            x_4, y_4 = places.astype(np.float32).reshape(-1, 2).T
            samples, _ = self._look(x_4[None], y_4[None])
            total: Packed = samples.reshape(-1, 4).sum(axis=1, dtype=np.uint64)
            colour.reshape(-1)[edge] = total >> np.uint64(2) & _BYTES
        return colour

    def _look(self, x: Single, y: Single) -> tuple[Packed, NDArray[np.int8]]:
        """Colour and plane at points of the image; x and y (2 axes) broadcast against each other.

        A ray leaves the room through the plane with the largest inverse depth.
        """
        across, down = (x - self.middle[0]) / self.lens, (y - self.middle[1]) / self.lens
        possible = self._possible(across, down)
        best, plane = self._leave(possible, across, down)
        if len(possible) == 1:
            return self.faces[possible[0]].read(across, down, best), plane
        colour = np.zeros(plane.shape, dtype=np.uint64)
        for index in possible:
            mine = plane == index
            rows = np.flatnonzero(mine.any(axis=1))
            if len(rows):
                columns = np.flatnonzero(mine.any(axis=0))
                part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                seen = self.faces[index].read(_part(across, part), _part(down, part), best[part])
                np.copyto(colour[part], seen, where=mine[part])
        return colour, plane

    def _possible(self, across: Single, down: Single) -> list[int]:
        """The planes that can be nearest in a rectangle of the image, judged by its corners."""
        ends = [[a, d, 1] for a in (across.min(), across.max()) for d in (down.min(), down.max())]
        corner_46 = np.array(ends) @ np.array([face.inverse for face in self.faces]).T
        return list(np.flatnonzero(corner_46.max(axis=0) >= corner_46.min(axis=0).max()))

    def _leave(
        self, possible: list[int], across: Single, down: Single
    ) -> tuple[Single, NDArray[np.int8]]:
        """The inverse of the depth at which each ray leaves the room, and the plane it hits."""
        best = _linear(self.faces[possible[0]].inverse, across, down)
        plane = np.full(best.shape, possible[0], dtype=np.int8)
        for index in possible[1:]:
            inverse = _linear(self.faces[index].inverse, across, down)
            np.copyto(plane, index, where=inverse > best)
            np.maximum(best, inverse, out=best)
        return best, plane


def _linear(slope: Floats, across: Single, down: Single) -> Single:
    """A linear function over the image, given its slopes and its value in the middle."""
    first, second, third = (np.float32(part) for part in slope)
    return first * across + (second * down + third)


def _part(values: Single, part: tuple[slice, slice]) -> Single:
    """A part of an array, which may have a single row or column to broadcast."""
    rows, columns = (
        along if size > 1 else slice(None) for along, size in zip(part, values.shape, strict=True)
    )
    return values[rows, columns]


def _edges(plane: NDArray[np.int8]) -> NDArray[np.bool_]:
    """The pixels next to, above or below a pixel of another plane."""
    edge = np.zeros(plane.shape, dtype=bool)
    across, down = plane[:, 1:] != plane[:, :-1], plane[1:] != plane[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def _page(texels_VUC: Floats, count: int) -> Page:
    """A mip pyramid in one row-major array: its texels, the start of each level, its stride."""
    levels = [_pack(level_VUC) for level_VUC in _pyramid(texels_VUC, count)]
    stride = levels[0].shape[1]
    starts = np.cumsum([0] + [level.shape[0] * stride for level in levels[:-1]])
    padded = [np.pad(level, ((0, 0), (0, stride - level.shape[1]))) for level in levels]
    return np.concatenate(padded).ravel(), starts.astype(np.int32), np.int32(stride)


def _pyramid(texels_VUC: Floats, count: int) -> list[Floats]:
    """The image and its halves, `count` in all; a texel is the mean of 2 by 2 of the last level."""
    levels = [texels_VUC]
    for _ in range(count - 1):
        last = levels[-1]
        even = np.pad(last, ((0, last.shape[0] % 2), (0, last.shape[1] % 2), (0, 0)), mode="edge")
        levels.append((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)
    return levels


def _pack(texels_VUC: Floats) -> Packed:
    """Colours as packed numbers, padded by a texel on all sides for bilinear interpolation."""
    padded = np.pad(texels_VUC, ((1, 1), (1, 1), (0, 0)), mode="edge")
    red, green, blue = np.moveaxis((padded * 255 + 0.5).astype(np.uint64), 2, 0)
    packed: Packed = red << RED | green << GREEN | blue << BLUE
    return packed


def channels(colour: Packed) -> NDArray[np.uint8]:
    """Packed colours as uint8 (..., 3), on machines of either byte order."""
    bytes_8 = colour.astype("<u8", copy=False).view(np.uint8).reshape(*colour.shape, 8)
    picture = np.empty((*colour.shape, 3), dtype=np.uint8)
    for channel, place in enumerate((RED, GREEN, BLUE)):
        picture[..., channel] = bytes_8[..., place // 8]
    return picture
