"""Which routes through a room can be asked about, and by which turns?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, permutations, product

from vicabench.rooms import templates
from vicabench.rooms.facts import Facts
from vicabench.rooms.geometry import Point, centre, crosses, distance, turn
from vicabench.rooms.scene import Draft, Draw

TURNS = {"Turn Left": (35.0, 125.0), "Turn Back": (145.0, 215.0), "Turn Right": (235.0, 325.0)}
"""The counter-clockwise degrees of each turn; routes with turns between these ranges are not used.
"""

LENGTHS = (2, 2, 3)
"""Turns per route: two thirds of the routes have two, one third three. VSI-Bench has 2 to 5."""

FEWEST_OPTIONS, MOST_OPTIONS = 3, 4

SHORTEST_WALK = 0.5
"""The least distance between the closest points of two stops, in metres."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route from `stops[0]`, facing `facing`, to the other stops with these `turns`.

    If the robot faces its first stop, there is no turn at the start.
    """

    facing: str
    stops: tuple[str, ...]
    turns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The positions of the unique objects, and the straight ways from each to others."""

    at: Mapping[str, Point]
    ways: Mapping[str, list[str]]


def route(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """Routes that begin with a walk or a turn; those of the drawn length come first.

    The options of a question are turns of possible routes of the same kind in this room, one of
    which is drawn as correct: impossible options would give the answer away.
    """
    floor = _floor(facts)
    target_length = LENGTHS[draw.target(0, len(LENGTHS))]
    kinds = draw.shuffled(list(product((True, False), sorted({*LENGTHS}))))
    rank = 0
    for walk_first, length in sorted(kinds, key=lambda kind: kind[1] != target_length):
        drawn = [_a_route(turns, walk_first, floor, draw) for turns in _sequences(length)]
        routes = [route for route in drawn if route is not None]
        for each in draw.shuffled(routes) if len(routes) >= FEWEST_OPTIONS else ():
            yield _draft(each, [route.turns for route in routes], rank, draw)
            rank += 1


def _sequences(length: int) -> list[tuple[str, ...]]:
    """All sequences of turns without two consecutive turns back."""
    back = "Turn Back"
    return [turns for turns in product(TURNS, repeat=length) if (back, back) not in pairwise(turns)]


def _draft(route: Route, possible: list[tuple[str, ...]], rank: int, draw: Draw) -> Draft:
    """The question, with up to three of the other possible turns as wrong options."""
    others = [turns for turns in possible if turns != route.turns]
    wrong = [", ".join(turns) for turns in draw.shuffled(others)[: MOST_OPTIONS - 1]]
    options, letter = draw.lettered(rank, ", ".join(route.turns), wrong)
    walks = [templates.ROUTE_WALK.format(x=name) for name in route.stops[1:]]
    fills = [templates.ROUTE_TURN] * len(route.turns)
    first, second = (walks, fills) if len(walks) > len(fills) else (fills, walks)
    actions = [action for pair in zip(first, second, strict=False) for action in pair]
    actions += first[len(second) :]
    text = templates.ROUTE.format(
        a=route.stops[0],
        b=route.facing,
        c=route.stops[-1],
        actions=templates.numbered(actions),
    )
    return Draft(text=text, answer=letter, options=options)


def _a_route(turns: tuple[str, ...], walk_first: bool, floor: Floor, draw: Draw) -> Route | None:
    """A random route with these turns; None if the room allows none.

    With `walk_first` the robot first walks to the object it faces, else it first turns.
    """
    for a, b in draw.shuffled(list(permutations(floor.at, 2))):
        if walk_first and b not in floor.ways[a]:
            continue
        start = (a, b) if walk_first else (a,)
        for stops in _continue(start, b, turns, floor, draw):
            return Route(facing=b, stops=stops, turns=turns)
    return None


def _continue(
    stops: tuple[str, ...], facing: str, turns: tuple[str, ...], floor: Floor, draw: Draw
) -> Iterator[tuple[str, ...]]:
    """Extend the stops by one walk for each turn, never to an object already mentioned."""
    if not turns:
        yield stops
        return
    position = floor.at[stops[-1]]
    ahead = _ahead(stops, facing, floor.at)
    low, high = TURNS[turns[0]]
    for name in draw.shuffled(floor.ways[stops[-1]]):
        if name in stops or name == facing:
            continue
        if low <= turn(position, ahead, floor.at[name]) <= high:
            yield from _continue((*stops, name), facing, turns[1:], floor, draw)


def _ahead(stops: tuple[str, ...], facing: str, at: Mapping[str, Point]) -> Point:
    """The point ahead of the robot: what it faces at first, then the direction of its last walk."""
    if len(stops) == 1:
        return at[facing]
    (x0, y0), (x1, y1) = at[stops[-2]], at[stops[-1]]
    return (2 * x1 - x0, 2 * y1 - y0)


def _floor(facts: Facts) -> Floor:
    boxes = facts.singles
    ways = {a: [b for b in boxes if b != a and _walkable(facts, a, b)] for a in boxes}
    return Floor(at={name: centre(box) for name, box in boxes.items()}, ways=ways)


def _walkable(facts: Facts, start: str, end: str) -> bool:
    """Whether a robot can walk straight from one object to another, far enough and unobstructed."""
    a, b = facts.singles[start], facts.singles[end]
    if distance(a, b) < SHORTEST_WALK:
        return False
    others = [thing.box for thing in facts.scene.things if thing.box not in (a, b)]
    return not any(crosses(centre(a), centre(b), box) for box in others)
