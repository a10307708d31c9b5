"""Shapes made of quadrilaterals, and exact distances and angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from shapely import LineString, Polygon

from vicabench.rooms.scene import Box

Floats = NDArray[np.float64]
Colour = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """Faces with their colours, and the normal for shading at each corner."""

    quads_F43: Floats
    normals_F43: Floats
    colours_F3: Floats


_CORNERS_83 = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=float)
_FACES_64 = np.array(
    [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [3, 2, 6, 7], [2, 0, 4, 6], [1, 3, 7, 5]]
)


def flat(quads_F43: Floats, colour: Colour) -> Mesh:
    """Faces that are shaded as planes."""
    across = np.cross(quads_F43[:, 2] - quads_F43[:, 0], quads_F43[:, 3] - quads_F43[:, 1])
    normals_F3 = across / np.linalg.norm(across, axis=1, keepdims=True)
    normals_F43 = np.repeat(normals_F3[:, None], 4, axis=1)
    return Mesh(quads_F43=quads_F43, normals_F43=normals_F43, colours_F3=_paint(quads_F43, colour))


def box(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], c: Colour) -> Mesh:
    """An upright block between two limits along each axis."""
    low, high = np.array([x[0], y[0], z[0]]), np.array([x[1], y[1], z[1]])
    corners_83 = low + _CORNERS_83 * (high - low)
    return flat(corners_83[_FACES_64], c)


def prism(
    centre: tuple[float, float],
    z: tuple[float, float],
    low: tuple[float, float],
    high: tuple[float, float],
    c: Colour,
    *,
    sides: int = 16,
) -> Mesh:
    """A round column with smooth shading; `low` and `high` are its half widths in x and y."""
    angle = np.arange(sides) * (2 * np.pi / sides)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rims = [
        np.column_stack([ring * radius + centre, np.full(sides, level)])
        for radius, level in zip((low, high), z, strict=True)
    ]
    bottom, top = rims
    wall_F43 = np.stack(
        [bottom, np.roll(bottom, -1, axis=0), np.roll(top, -1, axis=0), top], axis=1
    )
    outward = np.column_stack([ring, np.zeros(sides)])
    following = np.roll(outward, -1, axis=0)
    wall = Mesh(
        quads_F43=wall_F43,
        normals_F43=np.stack([outward, following, following, outward], axis=1),
        colours_F3=_paint(wall_F43, c),
    )
    return join(wall, _cap(top, c), _cap(bottom[::-1], c))


def leaf(base: Floats, tip: Floats, side: Floats, c: Colour) -> Mesh:
    """A pointed leaf, folded along its rib and visible from both sides."""
    middle = base + 0.45 * (tip - base)
    halves = np.array([[base, middle + side, tip, tip], [base, tip, middle - side, middle - side]])
    both = np.concatenate([halves, halves[:, [0, 3, 2, 1]]])
    lower = flat(both, c)
    upward = np.broadcast_to(np.array([0.0, 0.0, 1.0]), lower.normals_F43.shape)
    blend = lower.normals_F43 + 0.8 * upward
    return Mesh(
        quads_F43=both,
        normals_F43=blend / np.linalg.norm(blend, axis=2, keepdims=True),
        colours_F3=lower.colours_F3,
    )


def join(*meshes: Mesh) -> Mesh:
    """All the faces of several meshes."""
    return Mesh(
        quads_F43=np.concatenate([mesh.quads_F43 for mesh in meshes]),
        normals_F43=np.concatenate([mesh.normals_F43 for mesh in meshes]),
        colours_F3=np.concatenate([mesh.colours_F3 for mesh in meshes]),
    )


def fit(mesh: Mesh, length: float, width: float, height: float) -> Mesh:
    """The mesh stretched so that it touches all six sides of a box centred on the z axis."""
    low = mesh.quads_F43.min(axis=(0, 1))
    high = mesh.quads_F43.max(axis=(0, 1))
    share = (mesh.quads_F43 - low) / (high - low)
    quads_F43 = (share - [0.5, 0.5, 0.0]) * [length, width, height]
    return Mesh(quads_F43=quads_F43, normals_F43=mesh.normals_F43, colours_F3=mesh.colours_F3)


def place(mesh: Mesh, x: float, y: float, z: float, yaw: float) -> Mesh:
    """The mesh turned counter-clockwise by `yaw` radians and moved to (x, y, z)."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return Mesh(
        quads_F43=mesh.quads_F43 @ turn + [x, y, z],
        normals_F43=mesh.normals_F43 @ turn,
        colours_F3=mesh.colours_F3,
    )


def _cap(rim: Floats, colour: Colour) -> Mesh:
    """A flat convex polygon as a fan of quadrilaterals around its first corner."""
    count = len(rim)
    picks = [[0, k, k + 1, min(k + 2, count - 1)] for k in range(1, count - 1, 2)]
    return flat(rim[np.array(picks)], colour)


def _paint(quads_F43: Floats, colour: Colour) -> Floats:
    return np.broadcast_to(np.array(colour), (len(quads_F43), 3)).copy()


Point = tuple[float, float]


def centre(box: Box) -> Point:
    """The centre of the footprint."""
    return (box.x, box.y)


@lru_cache(maxsize=256)  # routes need the same few boxes hundreds of times
def footprint(box: Box) -> Polygon:
    """The rectangle that the box covers on the floor."""
    cos, sin = math.cos(box.yaw), math.sin(box.yaw)
    corners = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    halves = [(i * box.length / 2, j * box.width / 2) for i, j in corners]
    return Polygon([(box.x + u * cos - v * sin, box.y + u * sin + v * cos) for u, v in halves])


def distance(a: Box, b: Box) -> float:
    """The smallest distance between any two points of the boxes; 0 if they touch or overlap.

    An upright box is its footprint times an interval of heights, so the planar distance and the
    vertical gap are minimised independently and combine at a right angle.
    """
    return math.hypot(footprint(a).distance(footprint(b)), _gap(a, b))


def _gap(a: Box, b: Box) -> float:
    """The vertical gap between the boxes; 0 if their heights overlap."""
    return max(0.0, a.bottom - (b.bottom + b.height), b.bottom - (a.bottom + a.height))


def nearest_distance(box: Box, instances: Sequence[Box]) -> float:
    """The smallest distance from `box` to any of the instances."""
    return min(distance(box, other) for other in instances)


def longest_side(box: Box) -> int:
    """The longest of length, width and height, in whole centimetres."""
    return round(100 * max(box.length, box.width, box.height))


def turn(origin: Point, facing: Point, target: Point) -> float:
    """The angle at `origin` from `facing` to `target`, counter-clockwise, in [0, 360) degrees."""
    v_x, v_y = facing[0] - origin[0], facing[1] - origin[1]
    w_x, w_y = target[0] - origin[0], target[1] - origin[1]
    angle = math.degrees(math.atan2(v_x * w_y - v_y * w_x, v_x * w_x + v_y * w_y)) % 360.0
    return angle if angle < 360.0 else 0.0  # for a tiny negative angle, `%` rounds up to 360


def from_boundary(angle: float, boundaries: Sequence[float]) -> float:
    """The distance of the angle to the nearest boundary, around the circle, in [0, 180] degrees."""
    return min(abs((angle - boundary + 180.0) % 360.0 - 180.0) for boundary in boundaries)


def crosses(start: Point, end: Point, box: Box) -> bool:
    """Whether the straight line from `start` to `end` crosses the box's footprint."""
    return bool(LineString([start, end]).intersects(footprint(box)))
