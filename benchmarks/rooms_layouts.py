"""Questions about layouts: points on the floor instead of films, as Rooms asks them.

A layout is what perfect sight would tell: where each thing stands and when it first appears.
Whoever has one, true or read from a model's features, can be asked with `solve`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

import numpy as np
from numpy.typing import NDArray

from vicabench.rooms.facts import Facts
from vicabench.rooms.geometry import centre, from_boundary, turn
from vicabench.rooms.questions import (
    ANGLE_MARGIN,
    EASY,
    FAR,
    HARD,
    MARGIN,
    MEDIUM,
    NEAR,
    ORDER_SECONDS,
    TURNS,
    Level,
)

LEVELS = {"easy": EASY, "medium": MEDIUM, "hard": HARD}
TASKS = (*LEVELS, "nearest", "order", "route")
TRIES = 60
"""Draws of things after which a task counts as impossible in a layout."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Names (N), their middles in metres (N, 2), and the second each first appears (N)."""

    names: tuple[str, ...]
    at_N2: NDArray[np.float64]
    first_N: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question about the things of these numbers; `options` are answers, `right` counts them."""

    task: str
    about: tuple[int, ...]
    options: tuple[tuple[str, ...], ...]
    right: int


def layout_of(facts: Facts, most: int = 8) -> Layout:
    """The true layout of the things of which a film shows one."""
    names = [name for name in facts.singles if name in facts.first_visible][:most]
    at = [centre(facts.singles[name]) for name in names]
    first = [facts.first_visible[name] for name in names]
    return Layout(names=tuple(names), at_N2=np.array(at).reshape(-1, 2), first_N=np.array(first))


def random_layout(words: Sequence[str], rng: np.random.Generator, things: int = 8) -> Layout:
    """Things anywhere on a floor as large as those of Rooms, appearing at any second of twelve."""
    sides = rng.uniform(3.0, 7.0, 2)
    return Layout(
        names=tuple(words[n] for n in rng.permutation(len(words))[:things]),
        at_N2=rng.uniform(0, 1, (things, 2)) * sides,
        first_N=rng.uniform(0, 12, things),
    )


def ask(task: str, layout: Layout, rng: np.random.Generator) -> Asked | None:
    """A question of a task with the margins of Rooms; None if the layout allows none."""
    for _ in range(TRIES):
        found = _ASK[_kind(task)](task, layout, rng)
        if found is not None:
            about, right, wrong = found
            options = [*wrong[:3], right]
            options = [options[n] for n in rng.permutation(len(options))]
            return Asked(task=task, about=about, options=tuple(options), right=options.index(right))
    return None


def solve(asked: Asked, layout: Layout) -> int:
    """The option that exact geometry chooses in a layout."""
    costs = [_COST[_kind(asked.task)](asked, option, layout) for option in asked.options]
    return int(np.argmin(costs))


def _kind(task: str) -> str:
    return "direction" if task in LEVELS else task


_Answer = tuple[str, ...]
_Found = tuple[tuple[int, ...], _Answer, list[_Answer]] | None


def _drawn(layout: Layout, count: int, rng: np.random.Generator) -> tuple[int, ...] | None:
    if len(layout.names) < count:
        return None
    return tuple(int(n) for n in rng.permutation(len(layout.names))[:count])


def _points(layout: Layout, about: Sequence[int]) -> list[tuple[float, float]]:
    return [(float(layout.at_N2[n, 0]), float(layout.at_N2[n, 1])) for n in about]


def _direction(task: str, layout: Layout, rng: np.random.Generator) -> _Found:
    level: Level = LEVELS[task]
    about = _drawn(layout, 3, rng)
    if about is None:
        return None
    points = _points(layout, about)
    apart = [math.dist(a, b) for a, b in permutations(points, 2)]
    angle = turn(*points)
    if min(apart) < NEAR or max(apart) > FAR or from_boundary(angle, level.starts) < ANGLE_MARGIN:
        return None
    right = level.name(angle)
    if right != level.classes[int(rng.integers(len(level.classes)))]:
        return None  # all classes equally often
    return about, (right,), [(name,) for name in level.classes if name != right]


def _nearest(_task: str, layout: Layout, rng: np.random.Generator) -> _Found:
    about = _drawn(layout, 5, rng)
    if about is None:
        return None
    x, *four = about
    metres = {n: math.dist(layout.at_N2[x], layout.at_N2[n]) for n in four}
    ranked = sorted(four, key=metres.__getitem__)
    if any(metres[b] - metres[a] < MARGIN for a, b in pairwise(ranked)):
        return None
    names: list[_Answer] = [(layout.names[n],) for n in ranked]
    return (x,), names[0], names[1:]


def _order(_task: str, layout: Layout, rng: np.random.Generator) -> _Found:
    about = _drawn(layout, 4, rng)
    if about is None:
        return None
    ranked = sorted(about, key=lambda n: layout.first_N[n])
    if any(layout.first_N[b] - layout.first_N[a] < ORDER_SECONDS for a, b in pairwise(ranked)):
        return None
    orders = [tuple(layout.names[n] for n in each) for each in permutations(ranked)]
    return about, orders[0], [orders[n] for n in rng.permutation(range(1, len(orders)))]


def _route(_task: str, layout: Layout, rng: np.random.Generator) -> _Found:
    about = _drawn(layout, 4, rng)
    if about is None or min(math.dist(*layout.at_N2[list(p)]) for p in pairwise(about)) < NEAR:
        return None
    turns = [_turned(angle) for angle in _angles(layout, about)]
    back = ("Turn Back", "Turn Back")
    if None in turns or tuple(turns) == back:
        return None
    right = tuple(str(each) for each in turns)
    others = [(a, b) for a in TURNS for b in TURNS if (a, b) not in (right, back)]
    return about, right, [others[n] for n in rng.permutation(len(others))]


def _angles(layout: Layout, about: Sequence[int]) -> list[float]:
    """The two turns, in degrees, from the first thing, facing the second, by the others."""
    a, b, c, d = _points(layout, about)
    return [turn(a, b, c), turn(c, (2 * c[0] - a[0], 2 * c[1] - a[1]), d)]


def _turned(angle: float) -> str | None:
    return next((name for name, (low, high) in TURNS.items() if low <= angle <= high), None)


_ASK: dict[str, Callable[[str, Layout, np.random.Generator], _Found]] = {
    "direction": _direction,
    "nearest": _nearest,
    "order": _order,
    "route": _route,
}


def _direction_cost(asked: Asked, option: _Answer, layout: Layout) -> float:
    angle = turn(*_points(layout, asked.about))
    return float(LEVELS[asked.task].name(angle) != option[0])


def _nearest_cost(asked: Asked, option: _Answer, layout: Layout) -> float:
    other = layout.names.index(option[0])
    return math.dist(layout.at_N2[asked.about[0]], layout.at_N2[other])


def _order_cost(_asked: Asked, option: _Answer, layout: Layout) -> float:
    """The seconds by which things come in the wrong order."""
    seconds = [float(layout.first_N[layout.names.index(name)]) for name in option]
    wrong = [max(0.0, seconds[i] - seconds[j]) for j in range(len(seconds)) for i in range(j)]
    return sum(wrong)


def _route_cost(asked: Asked, option: _Answer, layout: Layout) -> float:
    """The degrees between the turns of a layout and the middles of the option's."""
    middles = [sum(TURNS[name]) / 2 for name in option]
    turned = zip(_angles(layout, asked.about), middles, strict=True)
    return sum(from_boundary(angle, (middle,)) for angle, middle in turned)


_COST: dict[str, Callable[[Asked, _Answer, Layout], float]] = {
    "direction": _direction_cost,
    "nearest": _nearest_cost,
    "order": _order_cost,
    "route": _route_cost,
}
