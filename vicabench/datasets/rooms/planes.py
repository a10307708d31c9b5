"""The six planes that bound a room, and the window in one of them.

A point of a plane has coordinates u and v in metres: x and y on the floor and the ceiling, the
way along and the height on a wall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vicabench.datasets.rooms.raster import Floats
from vicabench.datasets.rooms.world import Scene

FLOOR, CEILING, SOUTH, NORTH, WEST, EAST = range(6)
WALLS = (SOUTH, NORTH, WEST, EAST)

_X, _Y, _Z = np.eye(3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Plane:
    """A rectangle from `origin` along two axes; `inward` is its normal into the room."""

    origin: Floats
    u_axis: Floats
    v_axis: Floats
    inward: Floats
    length: float
    height: float

    def points(self, u: Floats, v: Floats) -> Floats:
        """Places in the room, (P, 3), of plane coordinates."""
        result: Floats = self.origin + u[:, None] * self.u_axis + v[:, None] * self.v_axis
        return result

    def distance(self, point: Floats) -> float:
        """How far a point is from the plane, positive inside the room."""
        return float((point - self.origin) @ self.inward)


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """A window in a wall: its middle along the wall, its sill, and its size in metres."""

    wall: int
    plane: Plane
    middle: float
    sill: float
    length: float
    height: float

    @property
    def inward(self) -> Floats:
        """The direction the daylight goes."""
        return self.plane.inward

    def points(self) -> Floats:
        """Six points of light (6, 3) just inside the pane."""
        across, up = np.meshgrid(np.array([-0.33, 0.0, 0.33]), np.array([0.3, 0.7]))
        u, v = self.middle + self.length * across.ravel(), self.sill + self.height * up.ravel()
        return self.plane.points(u, v) + 0.03 * self.inward


def planes(scene: Scene) -> tuple[Plane, ...]:
    """Floor, ceiling, south, north, west and east wall, in this order."""
    width, depth, height = scene.width, scene.depth, scene.height
    zero = np.zeros(3)

    def plane(
        origin: Floats, u: Floats, v: Floats, inward: Floats, long: float, tall: float
    ) -> Plane:
        return Plane(origin=origin, u_axis=u, v_axis=v, inward=inward, length=long, height=tall)

    return (
        plane(zero, _X, _Y, _Z, width, depth),
        plane(height * _Z, _X, _Y, -_Z, width, depth),
        plane(zero, _X, _Z, _Y, width, height),
        plane(depth * _Y, _X, _Z, -_Y, width, height),
        plane(zero, _Y, _Z, _X, depth, height),
        plane(width * _X, _Y, _Z, -_X, depth, height),
    )


def window(scene: Scene) -> Window:
    """The room's window: in a wall and at a place along it that the seed of the decor picks."""
    rng = np.random.default_rng([scene.decor, 1])
    wall = int(rng.choice(WALLS))
    plane = planes(scene)[wall]
    length = min(float(rng.uniform(1.2, 2.2)), plane.length - 1.0)
    middle = float(rng.uniform(0.4 + length / 2, plane.length - 0.4 - length / 2))
    return Window(wall=wall, plane=plane, middle=middle, sill=0.95, length=length, height=1.25)
