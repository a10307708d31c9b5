"""The kinds of furniture, and rooms furnished from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vicabench.rooms import geometry, shapes
from vicabench.rooms.camera import semi_axes
from vicabench.rooms.geometry import Colour, Mesh
from vicabench.rooms.scene import FIRST, GENERATOR, SECOND, Box, Scene, Thing, Walk
from vicabench.rooms.shapes import (
    bookshelf,
    cabinet,
    lamp,
    plant,
    refrigerator,
    suitcase,
    trash_bin,
    tv,
)

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A category of furniture: ranges of its extents along x, y and z in metres.

    `wall` is the probability that it stands with its back to a wall; `several` means that a room
    may hold more than one, `round` that its width equals its length; `build` makes its shape (see
    `shapes.py`).
    """

    name: str
    colour: Colour
    length: Range
    width: Range
    height: Range
    wall: float
    several: bool
    build: Callable[[float, float, float, Colour], Mesh]
    round: bool = False


def _hex(code: int) -> Colour:
    return ((code >> 16 & 255) / 255, (code >> 8 & 255) / 255, (code & 255) / 255)


KINDS: tuple[Kind, ...] = (
    Kind(
        name="bed",
        colour=_hex(0xE0609C),
        length=(0.8, 2.0),
        width=(1.4, 2.2),
        height=(0.55, 1.2),
        wall=1.0,
        several=False,
        build=shapes.bed,
    ),
    Kind(
        name="sofa",
        colour=_hex(0x1F5FC4),
        length=(1.0, 2.8),
        width=(0.7, 1.05),
        height=(0.65, 0.95),
        wall=0.7,
        several=True,
        build=shapes.sofa,
    ),
    Kind(
        name="table",
        colour=_hex(0x9A6234),
        length=(0.7, 2.2),
        width=(0.5, 1.0),
        height=(0.4, 0.85),
        wall=0.2,
        several=True,
        build=shapes.table,
    ),
    Kind(
        name="bookshelf",
        colour=_hex(0x7A2420),
        length=(0.5, 1.8),
        width=(0.25, 0.4),
        height=(0.9, 2.2),
        wall=1.0,
        several=True,
        build=bookshelf,
    ),
    Kind(
        name="cabinet",
        colour=_hex(0x12998C),
        length=(0.5, 2.0),
        width=(0.35, 0.6),
        height=(0.55, 1.6),
        wall=1.0,
        several=True,
        build=cabinet,
    ),
    Kind(
        name="refrigerator",
        colour=_hex(0xA9DDF2),
        length=(0.5, 0.95),
        width=(0.5, 0.75),
        height=(0.85, 2.1),
        wall=1.0,
        several=False,
        build=refrigerator,
    ),
    Kind(
        name="tv",
        colour=_hex(0x1B1C22),
        length=(0.6, 1.6),
        width=(0.2, 0.36),
        height=(0.65, 1.35),
        wall=0.8,
        several=False,
        build=tv,
    ),
    Kind(
        name="chair",
        colour=_hex(0xF07F13),
        length=(0.36, 0.65),
        width=(0.38, 0.65),
        height=(0.65, 1.25),
        wall=0.15,
        several=True,
        build=shapes.chair,
    ),
    Kind(
        name="stool",
        colour=_hex(0x7B3FC4),
        length=(0.28, 0.55),
        width=(0.28, 0.55),
        height=(0.3, 0.85),
        wall=0.0,
        several=True,
        build=shapes.stool,
        round=True,
    ),
    Kind(
        name="lamp",
        colour=_hex(0xFFDD45),
        length=(0.25, 0.5),
        width=(0.25, 0.5),
        height=(0.8, 1.9),
        wall=0.3,
        several=True,
        build=lamp,
        round=True,
    ),
    Kind(
        name="plant",
        colour=_hex(0x3C9A32),
        length=(0.3, 0.9),
        width=(0.3, 0.9),
        height=(0.4, 1.8),
        wall=0.3,
        several=True,
        build=plant,
        round=True,
    ),
    Kind(
        name="suitcase",
        colour=_hex(0xD3231F),
        length=(0.3, 0.55),
        width=(0.18, 0.34),
        height=(0.5, 1.15),
        wall=0.2,
        several=True,
        build=suitcase,
    ),
    Kind(
        name="trash bin",
        colour=_hex(0x59646F),
        length=(0.2, 0.42),
        width=(0.2, 0.42),
        height=(0.3, 0.85),
        wall=0.4,
        several=True,
        build=trash_bin,
        round=True,
    ),
)

KIND_OF: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}


def shape(category: str, box: Box) -> Mesh:
    """The mesh of a thing in the room, which touches all six sides of `box`.

    Raises:
        KeyError: The category is not in `KINDS`.
    """
    kind = KIND_OF[category]
    own = kind.build(box.length, box.width, box.height, kind.colour)
    fitted = geometry.fit(own, box.length, box.width, box.height)
    return geometry.place(fitted, box.x, box.y, box.bottom, box.yaw)


SIDE: Range = (3.0, 9.0)
HEIGHT = 2.5
HEADROOM = 0.2
"""The least distance between a thing and the ceiling, in metres."""
GAP = 0.12
"""The least distance between two things, in metres."""

_FEWEST_THINGS = 6
_FEWEST_UNIQUE = 4
_TRIES_TO_PLACE = 40
_TRIES_TO_FURNISH = 500
_SECONDS: Range = (10.0, 12.0)
_FREE_YAW = 0.55


@dataclass(frozen=True, kw_only=True)
class Variety:
    """How much rooms of a generator differ.

    Attributes:
        scale: The range, log-uniform, of a factor for all three extents of a thing.
        most: The largest number of things of a kind.
        even_areas: Whether floor areas, and not sides, are drawn: log-uniform, so that no single
            guess comes near many of them.
    """

    scale: Range
    most: int
    even_areas: bool


VARIETY: Mapping[str, Variety] = {
    FIRST: Variety(scale=(1.0, 1.0), most=5, even_areas=False),
    SECOND: Variety(scale=(0.65, 1.25), most=8, even_areas=True),
}


def make_scene(seed: int, index: int, generator: str = GENERATOR, attempt: int = 0) -> Scene:
    """Scene number `index` of a seed, independent of all other scenes.

    The second generator makes several scenes of a number, one for each `attempt`.
    """
    key = [seed, index] if generator == FIRST else [int(generator), seed, index, attempt]
    rng, variety = np.random.default_rng(key), VARIETY[generator]
    width, depth = _sides(rng, variety)
    things = _furnish(rng, width, depth, variety)
    walk = Walk(
        start=float(rng.uniform(0, 2 * np.pi)),
        turn=int(rng.choice([-1, 1])),
        seconds=round(float(rng.uniform(*_SECONDS)), 1),
        seed=int(rng.integers(2**31)),
    )
    return Scene(
        name=f"s{seed}-{index:04d}",
        seed=seed,
        width=width,
        depth=depth,
        height=HEIGHT,
        things=things,
        walk=walk,
        decor=int(rng.integers(2**31)),
    )


def _sides(rng: np.random.Generator, variety: Variety) -> tuple[float, float]:
    """Width and depth in metres, whole centimetres, each within `SIDE`."""
    if not variety.even_areas:
        width, depth = rng.uniform(*SIDE, size=2)
    else:
        low, high = SIDE
        area = np.exp(rng.uniform(2 * np.log(low), 2 * np.log(high)))
        width = np.exp(rng.uniform(np.log(max(low, area / high)), np.log(min(high, area / low))))
        depth = area / width
    return round(float(width), 2), round(float(depth), 2)


def _furnish(
    rng: np.random.Generator, width: float, depth: float, variety: Variety
) -> tuple[Thing, ...]:
    """Draw furniture until enough of it fits; small rooms may need several attempts."""
    for _ in range(_TRIES_TO_FURNISH):
        things: list[Thing] = []
        for kind, size in _draw_kinds(rng, variety):
            box = _free_place(rng, kind, size, things, width, depth)
            if box is not None:
                things.append(Thing(category=kind.name, box=box))
        names = [thing.category for thing in things]
        unique = sum(names.count(name) == 1 for name in names)
        if len(names) >= _FEWEST_THINGS and unique >= _FEWEST_UNIQUE:
            return tuple(things)
    raise RuntimeError(f"no furniture fits a room of {width} by {depth} m")


def _draw_kinds(
    rng: np.random.Generator, variety: Variety
) -> list[tuple[Kind, tuple[float, float, float]]]:
    """Six to eight kinds, one or two of them several times, the largest footprints first."""
    picked = [KINDS[k] for k in rng.permutation(len(KINDS))[: rng.integers(6, 9)]]
    several = [kind for kind in picked if kind.several][: rng.integers(1, 3)]
    counts = [int(rng.integers(2, variety.most + 1)) if kind in several else 1 for kind in picked]
    drawn = [
        (kind, _size(rng, kind, variety))
        for kind, count in zip(picked, counts, strict=True)
        for _ in range(count)
    ]
    return sorted(drawn, key=lambda item: -item[1][0] * item[1][1])


def _size(rng: np.random.Generator, kind: Kind, variety: Variety) -> tuple[float, float, float]:
    """Length, width and height, log-uniform in the ranges of the kind, whole centimetres."""
    smallest, largest = variety.scale
    scale = 1.0 if smallest == largest else np.exp(rng.uniform(np.log(smallest), np.log(largest)))
    length, width, height = (
        round(float(scale * np.exp(rng.uniform(np.log(low), np.log(high)))), 2)
        for low, high in (kind.length, kind.width, kind.height)
    )
    height = min(height, HEIGHT - HEADROOM)
    return (length, length, height) if kind.round else (length, width, height)


def _free_place(
    rng: np.random.Generator,
    kind: Kind,
    size: tuple[float, float, float],
    things: list[Thing],
    width: float,
    depth: float,
) -> Box | None:
    """A place clear of the walls, the walk and the other things; None if none was found."""
    for _ in range(_TRIES_TO_PLACE):
        against_wall = rng.random() < kind.wall
        box = (_at_wall if against_wall else _anywhere)(rng, size, width, depth)
        if box is None or not _clear_of_walk(box, width, depth):
            continue
        if all(separation(box, thing.box) >= GAP for thing in things):
            return box
    return None


def _at_wall(
    rng: np.random.Generator, size: tuple[float, float, float], width: float, depth: float
) -> Box | None:
    """A place with its back (+y) to one of the four walls; None if the wall is too short."""
    length, deep, _ = size
    side = int(rng.integers(4))
    along, reach = (width, depth) if side % 2 == 0 else (depth, width)
    margin = length / 2 + 0.03
    if along < 2 * margin or reach < deep + 0.1:
        return None
    at, back = rng.uniform(margin, along - margin), deep / 2 + rng.uniform(0.02, 0.06)
    x, y = ((at, reach - back), (back, at), (at, back), (reach - back, at))[side]
    yaw = (0.0, np.pi / 2, np.pi, 1.5 * np.pi)[side]
    return _box(x, y, size, yaw)


def _anywhere(
    rng: np.random.Generator, size: tuple[float, float, float], width: float, depth: float
) -> Box | None:
    """A place on the floor, rotated freely or parallel to the walls; None if it does not fit."""
    free = rng.random() < _FREE_YAW
    yaw = rng.uniform(0, 2 * np.pi) if free else 0.5 * np.pi * rng.integers(4)
    reach = 0.5 * (np.abs(_axes(yaw)).T @ size[:2]) + 0.03
    if 2 * reach[0] >= width or 2 * reach[1] >= depth:
        return None
    x, y = rng.uniform(reach, np.array([width, depth]) - reach)
    return _box(x, y, size, yaw)


def _box(x: float, y: float, size: tuple[float, float, float], yaw: float) -> Box:
    length, width, height = size
    return Box(
        x=float(x),
        y=float(y),
        bottom=0.0,
        length=length,
        width=width,
        height=height,
        yaw=float(yaw),
    )


def _axes(yaw: float) -> np.ndarray:
    """The directions of length and width as the rows of a matrix (2, 2)."""
    return np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])


def separation(one: Box, other: Box) -> float:
    """A lower bound of the distance between two footprints, in metres; negative if they overlap.

    It is the widest gap along an axis of either box, which equals the distance unless two corners
    face each other.
    """
    axes_42 = np.concatenate([_axes(one.yaw), _axes(other.yaw)])
    apart = np.abs(axes_42 @ [other.x - one.x, other.y - one.y])
    for box in (one, other):
        apart -= 0.5 * (np.abs(axes_42 @ _axes(box.yaw).T) @ [box.length, box.width])
    return float(apart.max())


def _clear_of_walk(box: Box, width: float, depth: float) -> bool:
    """Whether the camera stays clear of the box on its whole path; more so of a high box."""
    clearance = 0.35 + 0.3 * box.height
    semi = np.array(semi_axes(width, depth)) + clearance
    offset = np.array([box.x - width / 2, box.y - depth / 2])
    axes_32 = np.concatenate([_axes(box.yaw), [offset / max(float(np.hypot(*offset)), 1e-9)]])
    half = 0.5 * (np.abs(axes_32 @ _axes(box.yaw).T) @ [box.length, box.width])
    gaps = (
        np.abs(axes_32 @ offset) - half - np.hypot(axes_32[:, 0] * semi[0], axes_32[:, 1] * semi[1])
    )
    return bool(gaps.max() >= 0)
