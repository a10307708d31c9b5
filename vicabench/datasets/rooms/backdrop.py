"""The bare room behind the furniture: which plane a ray meets, and its colour there.

The room is convex, so the plane that a ray leaves through is the one with the largest inverse
distance: no polygon is drawn. Colours are packed into one integer, a byte each, and read from a
mip pyramid with bilinear weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vicabench.datasets.rooms.camera import Pose, focal
from vicabench.datasets.rooms.planes import CEILING, EAST, FLOOR, NORTH, SOUTH, WEST
from vicabench.datasets.rooms.raster import Floats
from vicabench.datasets.rooms.textures import TEXELS
from vicabench.datasets.rooms.world import Scene

Single = NDArray[np.float32]
Packed = NDArray[np.uint32]

_LEVELS = 6
_RED_BLUE = np.uint32(0x00FF00FF)
_SHARPNESS = 0.2
"""Levels below the one whose texels are as large as the pixels: sharper, at a little shimmer."""

_SAMPLES = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))


class Backdrop:
    """The painted planes of one room, ready to be seen from anywhere inside it."""

    def __init__(self, scene: Scene, painted: list[Floats]) -> None:
        """`painted` are the six planes (V, U, C) in the order of `planes.planes`."""
        self._size = (scene.width, scene.depth, scene.height)
        pages, starts, strides, scales = [], [], [], []
        at = 0
        for texels_VUC in painted:
            for level_VUC in _pyramid(texels_VUC):
                page = _pack(np.pad(level_VUC, ((1, 1), (1, 1), (0, 0)), mode="edge"))
                pages.append(page.ravel())
                starts.append(at)
                strides.append(page.shape[1])
                scales.append([page.shape[1] - 2, page.shape[0] - 2])
                at += page.size
        self._texels = np.concatenate(pages)
        self._starts, self._strides = np.array(starts), np.array(strides)
        width, depth, height = self._size
        sides = {FLOOR: (width, depth), CEILING: (width, depth), WEST: (depth, height)}
        sides |= {EAST: sides[WEST], SOUTH: (width, height), NORTH: (width, height)}
        metres = np.repeat([sides[plane] for plane in range(6)], _LEVELS, axis=0)
        self._scales = (np.array(scales) / metres).astype(np.float32)

    def draw(self, pose: Pose, width: int, height: int) -> Packed:
        """The room as the camera sees it, (height, width), smooth along the edges of planes."""
        x, y = (
            np.arange(width, dtype=np.float32)[None],
            np.arange(height, dtype=np.float32)[:, None],
        )
        colour, plane = self._look(pose, x, y, width, height)
        edge = np.zeros(plane.shape, dtype=bool)
        across, down = plane[:, 1:] != plane[:, :-1], plane[1:] != plane[:-1]
        edge[:, 1:] |= across
        edge[:, :-1] |= across
        edge[1:] |= down
        edge[:-1] |= down
        rows, columns = np.nonzero(edge)
        rows_4, columns_4 = (
            (at[:, None] + np.array([sample[k] for sample in _SAMPLES])).astype(np.float32)
            for at, k in ((rows, 1), (columns, 0))
        )
        parts, _ = self._look(pose, columns_4, rows_4, width, height)
        colour[rows, columns] = _average(parts)
        return colour

    def _look(
        self, pose: Pose, x: Single, y: Single, width: int, height: int
    ) -> tuple[Packed, NDArray[np.int8]]:
        """Colour and plane at places of the image; x and y broadcast against each other."""
        lens = np.float32(focal(width))
        across, down = (x - (width - 1) / 2) / lens, (y - (height - 1) / 2) / lens
        axes = pose.axes.astype(np.float32)
        rays = [axes[0, k] * across + (axes[1, k] * down + axes[2, k]) for k in range(3)]
        plane, inverse = self._leave(pose, rays)
        far = 1 / inverse
        where = [ray * far + np.float32(at) for ray, at in zip(rays, pose.position, strict=True)]
        page = plane * np.int16(_LEVELS) + self._level(pose, plane, far, across, down, lens)
        u = np.where((plane == WEST) | (plane == EAST), where[1], where[0])
        v = np.where(plane <= CEILING, where[1], where[2])
        return self._read(page, u, v), plane

    def _leave(self, pose: Pose, rays: list[Single]) -> tuple[NDArray[np.int8], Single]:
        """The plane each ray leaves through and the inverse of its distance (in ray lengths)."""
        x, y, z = pose.position
        width, depth, height = self._size
        ways = ((FLOOR, 2, -z), (CEILING, 2, height - z), (WEST, 0, -x), (EAST, 0, width - x))
        ways += ((SOUTH, 1, -y), (NORTH, 1, depth - y))
        inverse = np.full(rays[0].shape, 1e-6, dtype=np.float32)
        plane = np.zeros(rays[0].shape, dtype=np.int8)
        for index, axis, room in ways:
            candidate = rays[axis] * np.float32(1 / room)
            np.copyto(plane, index, where=candidate > inverse)
            np.maximum(inverse, candidate, out=inverse)
        return plane, inverse

    def _level(
        self,
        pose: Pose,
        plane: NDArray[np.int8],
        far: Single,
        across: Single,
        down: Single,
        lens: np.float32,
    ) -> NDArray[np.int16]:
        """The mip level whose texels are about as large as what a pixel covers of the plane."""
        x, y, z = pose.position
        width, depth, height = self._size
        away = np.array([z, height - z, x, width - x, y, depth - y], dtype=np.float32)
        long = np.sqrt(1 + across**2 + down**2)
        # A pixel covers (far / lens)^2 / cos of the plane, and cos = away / (far * long).
        area = (far * np.float32(TEXELS) / lens) ** 2 * far * long / away[plane]
        level = np.float32(0.5) * np.log2(area) + np.float32(0.5 - _SHARPNESS)
        return level.clip(0, _LEVELS - 1).astype(np.int16)

    def _read(self, page: NDArray[np.int16], u: Single, v: Single) -> Packed:
        """Bilinear colours at (u, v) metres of the pages of the atlas."""
        scale = self._scales.take(page, axis=0)
        # The padding shifts every texel by one, its centre lies half a texel further.
        across, up = u * scale[..., 0] + np.float32(0.5), v * scale[..., 1] + np.float32(0.5)
        column, row = across.astype(np.int32), up.astype(np.int32)
        stride = self._strides.take(page)
        at = self._starts.take(page) + row * stride + column
        right = ((across - column) * 16).astype(np.uint32)
        above = ((up - row) * 16).astype(np.uint32)
        red_blue = np.zeros(at.shape, dtype=np.uint32)
        green = np.zeros(at.shape, dtype=np.uint32)
        both = right * above
        weights = (256 - 16 * right - 16 * above + both, 16 * right - both, 16 * above - both, both)
        for step, weight in zip((0, 1, stride, stride + 1), weights, strict=True):
            texel = self._texels.take(at + step)
            red_blue += (texel & _RED_BLUE) * weight
            green += (texel >> np.uint32(8) & np.uint32(255)) * weight
        return (red_blue >> np.uint32(8) & _RED_BLUE) | (green & np.uint32(0xFF00))


def _pyramid(texels_VUC: Floats) -> list[Floats]:
    """The image and its halves, each the mean of 2 by 2 texels of the one before."""
    levels = [texels_VUC]
    for _ in range(_LEVELS - 1):
        last = levels[-1]
        even = np.pad(last, ((0, last.shape[0] % 2), (0, last.shape[1] % 2), (0, 0)), mode="edge")
        levels.append((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)
    return levels


def _pack(texels_VUC: Floats) -> Packed:
    """Red, green and blue as the bytes 16, 8 and 0 of an integer."""
    red, green, blue = np.moveaxis((texels_VUC * 255 + 0.5).astype(np.uint32), 2, 0)
    return red << np.uint32(16) | green << np.uint32(8) | blue


def _average(colour_4: Packed) -> Packed:
    """The mean of four packed colours, (..., 4) to (...)."""
    red_blue = (colour_4 & _RED_BLUE).sum(axis=-1, dtype=np.uint32) >> np.uint32(2)
    green = (colour_4 & np.uint32(0xFF00)).sum(axis=-1, dtype=np.uint32) >> np.uint32(2)
    return (red_blue & _RED_BLUE) | (green & np.uint32(0xFF00))
