"""Furnished rooms from a seed: which furniture, how large, and where it stands.

The settings follow what let a small model learn from sight: sides over a factor of three, sizes
over a factor of two and more, and one or two kinds with several instances.
"""

from __future__ import annotations

import numpy as np

from vicabench.datasets.rooms.camera import semi_axes
from vicabench.datasets.rooms.catalogue import KINDS, Kind, Range
from vicabench.datasets.rooms.world import Box, Scene, Thing, Walk

SIDE: Range = (3.0, 9.0)
HEIGHT = 2.5
GAP = 0.12
"""Least distance between two things, in metres."""

_FEWEST_THINGS = 6
_FEWEST_UNIQUE = 4
_TRIES_TO_PLACE = 40
_TRIES_TO_FURNISH = 500
_SECONDS: Range = (10.0, 12.0)
_FREE_YAW = 0.55


def make_scene(seed: int, index: int) -> Scene:
    """Scene number `index` of a seed; it does not depend on which other scenes are made."""
    rng = np.random.default_rng([seed, index])
    width, depth = (round(float(side), 2) for side in rng.uniform(*SIDE, size=2))
    things = _furnish(rng, width, depth)
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


def _furnish(rng: np.random.Generator, width: float, depth: float) -> tuple[Thing, ...]:
    """Draw furniture until enough of it fits; small rooms may need a few goes."""
    for _ in range(_TRIES_TO_FURNISH):
        things: list[Thing] = []
        for kind, size in _wanted(rng):
            box = _free_place(rng, kind, size, things, width, depth)
            if box is not None:
                things.append(Thing(category=kind.name, box=box))
        names = [thing.category for thing in things]
        unique = sum(names.count(name) == 1 for name in names)
        if len(names) >= _FEWEST_THINGS and unique >= _FEWEST_UNIQUE:
            return tuple(things)
    raise RuntimeError(f"no furniture fits a room of {width} by {depth} m")


def _wanted(rng: np.random.Generator) -> list[tuple[Kind, tuple[float, float, float]]]:
    """Six to eight kinds, one or two of them several times, the largest footprints first."""
    picked = [KINDS[k] for k in rng.permutation(len(KINDS))[: rng.integers(6, 9)]]
    several = [kind for kind in picked if kind.several][: rng.integers(1, 3)]
    counts = [int(rng.integers(2, 6)) if kind in several else 1 for kind in picked]
    wanted = [
        (kind, _size(rng, kind))
        for kind, count in zip(picked, counts, strict=True)
        for _ in range(count)
    ]
    return sorted(wanted, key=lambda item: -item[1][0] * item[1][1])


def _size(rng: np.random.Generator, kind: Kind) -> tuple[float, float, float]:
    """Length, width and height, log-uniform in the ranges of the kind, whole centimetres."""
    length, width, height = (
        round(float(np.exp(rng.uniform(np.log(low), np.log(high)))), 2)
        for low, high in (kind.length, kind.width, kind.height)
    )
    return (length, length, height) if kind.round else (length, width, height)


def _free_place(
    rng: np.random.Generator,
    kind: Kind,
    size: tuple[float, float, float],
    things: list[Thing],
    width: float,
    depth: float,
) -> Box | None:
    """A place that is clear of the walls, the walk and the other things, or None."""
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
    """With its back (+y) to one of the four walls; None where the wall is too short."""
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
    """Somewhere on the floor, turned freely or square to the walls; None where it cannot fit."""
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
    """The directions (2, 2) of length and width, one a row."""
    return np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])


def separation(one: Box, other: Box) -> float:
    """A lower bound of the distance between two footprints, in metres; negative if they meet.

    It is the widest gap along an axis of either box, which is their distance unless two corners
    face each other.
    """
    axes_42 = np.concatenate([_axes(one.yaw), _axes(other.yaw)])
    apart = np.abs(axes_42 @ [other.x - one.x, other.y - one.y])
    for box in (one, other):
        apart -= 0.5 * (np.abs(axes_42 @ _axes(box.yaw).T) @ [box.length, box.width])
    return float(apart.max())


def _clear_of_walk(box: Box, width: float, depth: float) -> bool:
    """Whether the camera keeps away from the box on all its way: further from a higher one."""
    clearance = 0.35 + 0.3 * box.height
    semi = np.array(semi_axes(width, depth)) + clearance
    offset = np.array([box.x - width / 2, box.y - depth / 2])
    axes_32 = np.concatenate([_axes(box.yaw), [offset / max(float(np.hypot(*offset)), 1e-9)]])
    half = 0.5 * (np.abs(axes_32 @ _axes(box.yaw).T) @ [box.length, box.width])
    gaps = (
        np.abs(axes_32 @ offset) - half - np.hypot(axes_32[:, 0] * semi[0], axes_32[:, 1] * semi[1])
    )
    return bool(gaps.max() >= 0)
