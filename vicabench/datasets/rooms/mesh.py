"""Solid shapes as quadrilaterals: boxes, round prisms, leaves, and how to join and fit them.

Legend: F faces; 4 corners, counter-clockwise seen from outside (a triangle repeats its last
corner); 3 coordinates in metres, or red, green and blue as sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Colour = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """Faces with the colour of each and the direction that each corner is shaded for."""

    quads_F43: Floats
    normals_F43: Floats
    colours_F3: Floats


_CORNERS_83 = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=float)
_FACES_64 = np.array(
    [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [3, 2, 6, 7], [2, 0, 4, 6], [1, 3, 7, 5]]
)


def flat(quads_F43: Floats, colour: Colour) -> Mesh:
    """Faces that are shaded as the planes they are."""
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
    """A round column, smooth to the light; `low` and `high` are its half widths in x and y."""
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
    """A pointed leaf, folded along its rib and seen from both sides."""
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
