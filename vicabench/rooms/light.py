"""The planes that bound a room, and its light: lamps, a window, soft shadows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicabench.rooms.raster import Floats, ScanLines, covered
from vicabench.rooms.scene import Box, Scene, Thing

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
        """The points in the room, (P, 3), at these plane coordinates."""
        result: Floats = self.origin + u[:, None] * self.u_axis + v[:, None] * self.v_axis
        return result

    def distance(self, point: Floats) -> float:
        """The distance of a point from the plane, positive inside the room."""
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
        """The direction of the daylight."""
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
    """The room's window, whose wall and position the seed of the decor determines."""
    rng = np.random.default_rng([scene.decor, 1])
    wall = int(rng.choice(WALLS))
    plane = planes(scene)[wall]
    length = min(float(rng.uniform(1.2, 2.2)), plane.length - 1.0)
    middle = float(rng.uniform(0.4 + length / 2, plane.length - 0.4 - length / 2))
    return Window(wall=wall, plane=plane, middle=middle, sill=0.95, length=length, height=1.25)


@dataclass(frozen=True, kw_only=True)
class Finish:
    """How finely a room is painted and lit.

    `texels` and `light_texels` are per metre, `levels` is the number of sizes of each texture.
    Without `shadows` every lamp is one point and nothing blocks its light.
    """

    texels: int
    light_texels: int
    levels: int
    shadows: bool


FULL = Finish(texels=96, light_texels=20, levels=6, shadows=True)
"""For the films of the benchmark: half a second per scene."""

PLAIN = Finish(texels=24, light_texels=4, levels=4, shadows=False)
"""For the thousands of small pictures (about 64 pixels per side) for training: 25 times faster."""

_WARM = np.array([1.0, 0.93, 0.84])
_COOL = np.array([0.86, 0.95, 1.0])
_AMBIENT = np.array([0.29, 0.295, 0.30])
_LAMP_EVERY = 4.5
_LAMP_RADIUS = 0.45
_LOW = 0.3


@dataclass(frozen=True, kw_only=True)
class Lights:
    """Point lights: position and direction (L, 3), power per colour (L, C)."""

    points_L3: Floats
    facing_L3: Floats
    power_LC: Floats


def lights(scene: Scene, window: Window, *, points: bool = False) -> Lights:
    """The lamps, about one every five metres, and the window, whose light is cooler.

    With `points` each of them is a single point of the same power.
    """
    columns, rows = (max(1, round(side / _LAMP_EVERY)) for side in (scene.width, scene.depth))
    each = 1 if points else max(5, 14 // (columns * rows))
    turn = 2.39996 * np.arange(each)
    spread = _LAMP_RADIUS * np.sqrt((np.arange(each) + 0.5) / each)
    lamps = [
        [
            scene.width * (column + 0.5) / columns + r * np.cos(a),
            scene.depth * (row + 0.5) / rows + r * np.sin(a),
            scene.height - 0.04,
        ]
        for column in range(columns)
        for row in range(rows)
        for r, a in zip(spread, turn, strict=True)
    ]
    panes = window.points()
    if points:
        panes = panes.mean(axis=0, keepdims=True)
    # In a small room the walls are close to the lamp, so it needs less power.
    power = 0.95 + 0.35 * min(1.0, scene.area / 30)
    share = columns * rows * each / (0.75 * columns * rows + 0.25)
    return Lights(
        points_L3=np.concatenate([lamps, panes]),
        facing_L3=np.concatenate(
            [np.tile([0.0, 0.0, -1.0], (len(lamps), 1)), np.tile(window.inward, (len(panes), 1))]
        ),
        power_LC=np.concatenate(
            [
                np.tile(_WARM * power / share, (len(lamps), 1)),
                np.tile(_COOL * 1.1 / len(panes), (len(panes), 1)),
            ]
        ),
    )


def direct(points_P3: Floats, normals_P3: Floats, lit: Lights) -> Floats:
    """The light from each source at each point if nothing blocks it, (L, P), before colour."""
    ray_LP3 = lit.points_L3[:, None] - points_P3
    far_LP = np.sqrt(np.einsum("lpk,lpk->lp", ray_LP3, ray_LP3)) + 1e-6
    received_LP = np.einsum("lpk,pk->lp", ray_LP3, normals_P3) / far_LP
    sent_LP = -np.einsum("lpk,lk->lp", ray_LP3, lit.facing_L3) / far_LP
    # Softer than the inverse square, in place of the indirect light that walls reflect.
    fade_LP = 1.7 / (1.0 + (far_LP / 2.6) ** 2)
    result: Floats = received_LP.clip(min=0) * (0.25 + 0.75 * sent_LP.clip(min=0)) * fade_LP
    return result


def on_plane(plane: Plane, lit: Lights, quads_F43: Floats, finish: Finish) -> Floats:
    """The irradiance (V, U, C) of a plane of the room, with the shadows of all faces."""
    sides = (plane.length, plane.height)
    columns, rows = (max(8, round(side * finish.light_texels)) for side in sides)
    grid = ScanLines(width=columns, y_S=np.arange(float(rows)), x_S=np.zeros(rows), lines=1)
    scale = np.array([columns / plane.length, rows / plane.height])
    u, v = np.meshgrid((np.arange(columns) + 0.5) / scale[0], (np.arange(rows) + 0.5) / scale[1])
    points_P3 = plane.points(u.ravel(), v.ravel())
    normals_P3 = np.broadcast_to(plane.inward, points_P3.shape)
    shine_LP = direct(points_P3, normals_P3, lit)
    for index, point in enumerate(lit.points_L3 if finish.shadows else ()):
        lit_P = np.ones(len(points_P3))
        lit_P[_shadow(plane, point, quads_F43, scale, grid)] = 0.0
        shine_LP[index] *= _soften(lit_P.reshape(rows, columns)).ravel()
    around_P = _corner_shade(plane, u.ravel(), v.ravel())
    if plane.inward[2] > 0:
        around_P *= _contact(quads_F43, scale, grid).ravel()
    total_PC = shine_LP.T @ lit.power_LC + _AMBIENT * around_P[:, None]
    return total_PC.reshape(rows, columns, 3)


def on_faces(
    quads_F43: Floats,
    normals_F43: Floats,
    owner_F: NDArray[np.int64],
    things: tuple[Thing, ...],
    lit: Lights,
) -> Floats:
    """The irradiance (F, 4, C) at the corners of faces; `owner_F` is the thing of each face.

    `things` are those that cast shadows on others.
    """
    points_P3, normals_P3 = quads_F43.reshape(-1, 3), normals_F43.reshape(-1, 3)
    shine_LP = direct(points_P3, normals_P3, lit)
    owner_P = np.repeat(owner_F, 4)
    for index, thing in enumerate(things):
        other_P = np.flatnonzero(owner_P != index)
        blocked = _blocked(points_P3[other_P], lit.points_L3, thing.box)
        shine_LP[:, other_P] *= np.where(blocked, 0.0, 1.0)
    # The floor reflects less light than the ceiling, least of all just above it.
    height_P = points_P3[:, 2]
    sky_P = 0.78 + 0.22 * normals_P3[:, 2] - 0.25 * np.exp(-height_P / 0.18)
    total_PC = shine_LP.T @ lit.power_LC + _AMBIENT * sky_P[:, None]
    return total_PC.reshape(-1, 4, 3)


def _shadow(
    plane: Plane, light: Floats, quads_F43: Floats, scale: Floats, grid: ScanLines
) -> NDArray[np.int64]:
    """The texels of a plane in shadow: the faces as seen from the light, projected on the plane."""
    from_light = light - quads_F43
    w_F4 = from_light @ plane.inward
    far = float(plane.distance(light))
    flat = np.stack([plane.u_axis, plane.v_axis])
    moved_F42 = (light @ flat.T) * w_F4[..., None] - (from_light @ flat.T) * far
    at_F42 = moved_F42 * scale - 0.5 * w_F4[..., None]
    seen_F43 = np.concatenate([at_F42, w_F4[..., None]], axis=2)
    across = np.cross(quads_F43[:, 2] - quads_F43[:, 0], quads_F43[:, 3] - quads_F43[:, 1])
    towards = np.einsum("fk,fk->f", across, from_light[:, 0]) > 0
    seen_F43 = seen_F43[towards]
    if np.dot(np.cross(plane.u_axis, plane.v_axis), plane.inward) > 0:
        seen_F43 = seen_F43[:, ::-1]
    return covered(seen_F43, grid)


def _contact(quads_F43: Floats, scale: Floats, grid: ScanLines) -> Floats:
    """The share of ambient light that reaches the floor, (V, U): little under low furniture."""
    across = np.cross(quads_F43[:, 2] - quads_F43[:, 0], quads_F43[:, 3] - quads_F43[:, 1])
    low_F = (across[:, 2] < 0) & (quads_F43[..., 2].max(axis=1) < _LOW)
    # An orthographic view from below: every depth is 1.
    seen_F43 = np.concatenate(
        [quads_F43[low_F, :, :2] * scale - 0.5, np.ones((int(low_F.sum()), 4, 1))], axis=2
    )
    open_VU = np.ones(len(grid.y_S) * grid.width)
    open_VU[covered(seen_F43, grid)] = 0.15
    return _soften(_soften(open_VU.reshape(-1, grid.width)))


def _soften(image_VU: Floats) -> Floats:
    """The image blurred over about five texels, because a point light represents an area."""
    for _ in range(2):
        wide = np.pad(image_VU, 1, mode="edge")
        rows = (wide[:-2] + 2 * wide[1:-1] + wide[2:]) / 4
        image_VU = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4
    return image_VU


def _corner_shade(plane: Plane, u: Floats, v: Floats) -> Floats:
    """The share of ambient light that reaches a texel: less near the edges of the plane."""
    shade = np.ones_like(u)
    for at, side in ((u, plane.length), (v, plane.height)):
        for near in (at, side - at):
            shade *= 1.0 - 0.34 * np.exp(-near / 0.22)
    return shade


def _blocked(points_P3: Floats, lights_L3: Floats, box: Box) -> NDArray[np.bool_]:
    """Whether a box blocks the line from each point to each light, (L, P)."""
    cos, sin = np.cos(box.yaw), np.sin(box.yaw)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    middle = np.array([box.x, box.y, box.bottom + box.height / 2])
    half = np.array([box.length, box.width, box.height]) / 2
    start_P3, end_L3 = (points_P3 - middle) @ turn, (lights_L3 - middle) @ turn
    way_LP3 = end_L3[:, None] - start_P3
    way_LP3 = np.where(np.abs(way_LP3) < 1e-9, 1e-9, way_LP3)
    one, two = (-half - start_P3) / way_LP3, (half - start_P3) / way_LP3
    enter = np.minimum(one, two).max(axis=2)
    leave = np.maximum(one, two).min(axis=2)
    result: NDArray[np.bool_] = (enter < leave) & (leave > 1e-4) & (enter < 1.0)
    return result
