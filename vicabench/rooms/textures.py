"""Paint the planes of a room: floor, walls, door, window and pictures.

Each plane is painted once per scene at a fixed number of texels per metre and multiplied by its
light; `backdrop.py` stores it at several sizes (a mip pyramid).

Legend: V rows (v upwards), U columns, C red, green and blue as sRGB in [0, 1].
"""

from __future__ import annotations

import numpy as np

from vicabench.rooms.light import (
    CEILING,
    FLOOR,
    FULL,
    WALLS,
    Finish,
    Lights,
    Plane,
    Window,
    on_plane,
    planes,
    window,
)
from vicabench.rooms.raster import Floats
from vicabench.rooms.scene import Scene

_GAMMA = 1 / 2.2
_WALLS = ((0.93, 0.90, 0.84), (0.86, 0.90, 0.90), (0.90, 0.87, 0.88), (0.88, 0.90, 0.85))
_WOODS = ((0.80, 0.69, 0.55), (0.74, 0.66, 0.57), (0.86, 0.78, 0.66))
_TILES = ((0.80, 0.80, 0.79), (0.83, 0.79, 0.73))
_CARPETS = ((0.66, 0.66, 0.68), (0.72, 0.68, 0.62))
_WHITE = np.array([0.95, 0.95, 0.93])


def paint(scene: Scene, lit: Lights, quads_F43: Floats, finish: Finish = FULL) -> list[Floats]:
    """The six planes (V, U, C), lit, in the order of `planes.planes`."""
    rng = np.random.default_rng([scene.decor, 2])
    pane = window(scene)
    painted = []
    wall_colour = np.array(_WALLS[int(rng.integers(len(_WALLS)))])
    door_wall = int(rng.choice([wall for wall in WALLS if wall != pane.wall]))
    for index, plane in enumerate(planes(scene)):
        canvas = Canvas(plane, finish.texels)
        if index == FLOOR:
            _floor(canvas, rng)
        elif index == CEILING:
            canvas.texels_VUC[:] = _WHITE
        else:
            _wall(canvas, wall_colour, rng, door=index == door_wall, pane=pane, index=index)
        light_VUC = on_plane(plane, lit, quads_F43, finish)
        lit_VUC = canvas.texels_VUC * resize(expose(light_VUC), *canvas.texels_VUC.shape[:2])
        painted.append(np.maximum(lit_VUC, canvas.glow_VUC).clip(0, 1))
    return painted


def expose(light: Floats) -> Floats:
    """The irradiance as a factor for sRGB colours; bright light saturates softly."""
    soft = light * (1 + light / 9.0) / (1 + light)
    result: Floats = (1.75 * soft) ** _GAMMA
    return result


def resize(image_VUC: Floats, rows: int, columns: int) -> Floats:
    """The image in another size, interpolated linearly between the centres of its texels."""
    for axis, size in ((0, rows), (1, columns)):
        count = image_VUC.shape[axis]
        at = ((np.arange(size) + 0.5) * count / size - 0.5).clip(0, count - 1)
        low = at.astype(int).clip(max=max(count - 2, 0))
        share = np.expand_dims(at - low, (1, 2) if axis == 0 else (0, 2))
        near, far = (image_VUC.take(k, axis=axis) for k in (low, np.minimum(low + 1, count - 1)))
        image_VUC = near + share * (far - near)
    return image_VUC


class Canvas:
    """A plane to paint on, in metres, with anti-aliased edges."""

    def __init__(self, plane: Plane, texels: int) -> None:
        """Start with white, without any glow, at `texels` per metre."""
        self.plane = plane
        rows, columns = (int(np.ceil(side * texels)) for side in (plane.height, plane.length))
        self.u = (np.arange(columns) + 0.5) / texels
        self.v = (np.arange(rows) + 0.5) / texels
        self.texels_VUC = np.ones((rows, columns, 3))
        self.glow_VUC = np.zeros((rows, columns, 3))

    def fill(
        self,
        u: tuple[float, float],
        v: tuple[float, float],
        colour: Floats,
        *,
        glow: bool = False,
    ) -> None:
        """Paint the rectangle between two limits along u and along v."""
        target = self.glow_VUC if glow else self.texels_VUC
        across, up = _cover(self.u, *u), _cover(self.v, *v)
        columns, rows = np.flatnonzero(across), np.flatnonzero(up)
        if not len(columns) or not len(rows):
            return
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        share = (up[part[0], None] * across[None, part[1]])[..., None]
        target[part] += share * (colour - target[part])

    def lines(self, u: Floats, v: Floats, width: float, factor: float) -> None:
        """Darken (or lighten) thin lines at the given places along u and along v."""
        for at, axis, shape in ((u, self.u, (1, -1, 1)), (v, self.v, (-1, 1, 1))):
            near = np.zeros_like(axis)
            for place in at:
                near = np.maximum(near, _cover(axis, place - width / 2, place + width / 2))
            self.texels_VUC *= 1 + (factor - 1) * near.reshape(shape)


def _cover(at: Floats, low: float, high: float) -> Floats:
    """The share of each texel between two limits."""
    size = at[1] - at[0]
    inside = np.minimum(at + size / 2, high) - np.maximum(at - size / 2, low)
    result: Floats = inside.clip(0, size) / size
    return result


def _floor(canvas: Canvas, rng: np.random.Generator) -> None:
    """Boards, tiles or carpet, always with a period of a metre or half a metre."""
    style = int(rng.choice(3, p=[0.6, 0.25, 0.15]))
    if style == 0:
        _boards(canvas, np.array(_WOODS[int(rng.integers(len(_WOODS)))]), rng)
        return
    colours, size, line = ((_TILES, 0.5, 0.008), (_CARPETS, 1.0, 0.006))[style - 1]
    colour = np.array(colours[int(rng.integers(len(colours)))])
    column = (canvas.u // size).astype(int)
    row = (canvas.v // size).astype(int)
    tone = rng.normal(1.0, 0.018, (row.max() + 1, column.max() + 1))
    if style == 2:
        tone += 0.03 * (np.add.outer(np.arange(row.max() + 1), np.arange(column.max() + 1)) % 2)
    canvas.texels_VUC[:] = tone[np.ix_(row, column)][..., None] * colour
    places = [np.arange(size, side, size) for side in (canvas.plane.length, canvas.plane.height)]
    canvas.lines(places[0], places[1], line, 0.80 if style == 1 else 0.93)


def _boards(canvas: Canvas, colour: Floats, rng: np.random.Generator) -> None:
    """Wooden boards, a metre long and an eighth of a metre wide, in staggered rows."""
    wide, long = 0.125, 1.0
    row = (canvas.v // wide).astype(int)
    shift_V = (row * 3 % 4) * long / 4
    along_VU = canvas.u + shift_V[:, None]
    column_VU = (along_VU // long).astype(int)
    tone = rng.normal(1.0, 0.045, (row.max() + 1, column_VU.max() + 1))
    tone_VU = tone[row[:, None], column_VU]
    grain = rng.normal(0.0, 0.02, (len(canvas.v), max(8, len(canvas.u) // 48), 1))
    grain_VU = resize(grain, len(canvas.v), len(canvas.u))[..., 0]
    end_VU = np.abs(along_VU / long - np.round(along_VU / long)) * long < 0.004
    canvas.texels_VUC[:] = ((tone_VU + grain_VU) * np.where(end_VU, 0.8, 1.0))[..., None] * colour
    canvas.lines(np.array([]), np.arange(wide, canvas.plane.height, wide), 0.006, 0.82)


def _wall(
    canvas: Canvas,
    colour: Floats,
    rng: np.random.Generator,
    *,
    door: bool,
    pane: Window,
    index: int,
) -> None:
    """Paint with a faint joint every metre, a skirting board, and a door, a window or a picture."""
    canvas.texels_VUC[:] = colour
    canvas.lines(np.arange(1.0, canvas.plane.length, 1.0), np.array([]), 0.014, 0.94)
    everything = (-1.0, canvas.plane.length + 1.0)
    canvas.fill(everything, (0.0, 0.09), _WHITE * 0.97)
    canvas.fill(everything, (0.09, 0.1), colour * 0.72)
    if door:
        _door(canvas, float(rng.uniform(0.25, canvas.plane.length - 1.25)))
    elif index == pane.wall:
        _pane(canvas, pane)
    else:
        _picture(canvas, rng)


def _door(canvas: Canvas, left: float) -> None:
    """A white door, 0.9 by 2.03 m, in its frame, with two panels and a handle."""
    right, grey = left + 1.0, np.array([0.80, 0.80, 0.78])
    canvas.fill((left, right), (0.0, 2.08), np.array([0.70, 0.69, 0.67]))
    canvas.fill((left + 0.05, right - 0.05), (0.0, 2.03), _WHITE)
    for low, high in ((0.18, 0.85), (1.05, 1.88)):
        canvas.fill((left + 0.2, right - 0.2), (low, high), grey)
        canvas.fill((left + 0.215, right - 0.2), (low, high - 0.015), _WHITE * 0.985)
    canvas.fill((left + 0.1, left + 0.23), (0.98, 1.01), np.array([0.35, 0.34, 0.33]))


def _pane(canvas: Canvas, pane: Window) -> None:
    """A window with a bright sky, far hills, a frame, a mullion and a sill."""
    left, right = pane.middle - pane.length / 2, pane.middle + pane.length / 2
    low, high = pane.sill, pane.sill + pane.height
    canvas.fill((left - 0.06, right + 0.06), (low - 0.06, high + 0.06), _WHITE)
    canvas.fill((left, right), (low, high), np.zeros(3))
    for k, bottom in enumerate(np.linspace(low, high, 25)[:-1]):
        sky = np.array([0.93, 0.97, 1.0]) - k / 24 * np.array([0.20, 0.09, 0.0])
        hill = np.array([0.62, 0.74, 0.62])
        canvas.fill((left, right), (bottom, high), hill if k < 5 else sky, glow=True)
    bar = np.array([0.90, 0.90, 0.89])
    canvas.fill((pane.middle - 0.025, pane.middle + 0.025), (low, high), bar, glow=True)
    canvas.fill((left, right), (low + 0.62 * pane.height, low + 0.65 * pane.height), bar, glow=True)
    canvas.fill((left - 0.1, right + 0.1), (low - 0.1, low - 0.05), _WHITE)
    canvas.fill((left - 0.1, right + 0.1), (low - 0.12, low - 0.1), _WHITE * 0.7)


def _picture(canvas: Canvas, rng: np.random.Generator) -> None:
    """A framed picture in muted colours that no piece of furniture has."""
    width, height = rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.65)
    left = rng.uniform(0.3, canvas.plane.length - 0.3 - width)
    low = 1.62 - height / 2
    canvas.fill((left, left + width), (low, low + height), np.array([0.42, 0.38, 0.34]))
    canvas.fill((left + 0.03, left + width - 0.03), (low + 0.03, low + height - 0.03), _WHITE)
    inner_u, inner_v = (left + 0.09, left + width - 0.09), (low + 0.09, low + height - 0.09)
    horizon = inner_v[0] + rng.uniform(0.3, 0.6) * (inner_v[1] - inner_v[0])
    canvas.fill(inner_u, inner_v, rng.uniform(0.72, 0.86, 3))
    canvas.fill(inner_u, (inner_v[0], horizon), rng.uniform(0.48, 0.66, 3))
