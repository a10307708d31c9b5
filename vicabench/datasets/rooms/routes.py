"""Route planning: which way a robot turns at each stop of a way through the room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, permutations, product

from vicabench.datasets.rooms import templates
from vicabench.datasets.rooms.choices import Draft, Draw
from vicabench.datasets.rooms.facts import Facts
from vicabench.datasets.rooms.geometry import Point, centre, crosses, distance, turn

TURNS = {"Turn Left": (35.0, 125.0), "Turn Back": (145.0, 215.0), "Turn Right": (235.0, 325.0)}
"""Counter-clockwise degrees that each turn may have; what lies between them is not asked for."""

LENGTHS = (2, 2, 3)
"""Turns a route: two thirds have two, one third three. VSI-Bench has 2 to 5."""

FEWEST_OPTIONS, MOST_OPTIONS = 3, 4

SHORTEST_WALK = 0.5
"""Metres between the closest points of two stops."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """Begin at `stops[0]` facing `facing`, then walk to the others, turning as `turns` says.

    When the first stop to reach is what the robot faces there is no turn at the start.
    """

    facing: str
    stops: tuple[str, ...]
    turns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Floor:
    """Where the unique objects are, and from each the ones one can walk straight to."""

    at: Mapping[str, Point]
    ways: Mapping[str, list[str]]


def route(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """Routes of every kind: of the wanted length first, that begin with a walk or with a turn.

    All the options of a question are turns that some route of its kind in this room has, and the
    right one is drawn among these: wrong options that no room allows would give it away.
    """
    floor = _floor(facts)
    wanted = LENGTHS[draw.target(0, len(LENGTHS))]
    kinds = draw.shuffled(list(product((True, False), sorted({*LENGTHS}))))
    rank = 0
    for walk_first, length in sorted(kinds, key=lambda kind: kind[1] != wanted):
        found = [_a_route(turns, walk_first, floor, draw) for turns in _sequences(length)]
        routes = [route for route in found if route is not None]
        for each in draw.shuffled(routes) if len(routes) >= FEWEST_OPTIONS else ():
            yield _draft(each, [route.turns for route in routes], rank, draw)
            rank += 1


def _sequences(length: int) -> list[tuple[str, ...]]:
    """All sequences of turns that make sense: nobody turns back twice in a row."""
    back = "Turn Back"
    return [turns for turns in product(TURNS, repeat=length) if (back, back) not in pairwise(turns)]


def _draft(found: Route, possible: list[tuple[str, ...]], rank: int, draw: Draw) -> Draft:
    """The question, with up to three of the other possible turns as wrong options."""
    others = [turns for turns in possible if turns != found.turns]
    wrong = [", ".join(turns) for turns in draw.shuffled(others)[: MOST_OPTIONS - 1]]
    options, letter = draw.lettered(rank, ", ".join(found.turns), wrong)
    walks = [templates.ROUTE_WALK.format(x=name) for name in found.stops[1:]]
    fills = [templates.ROUTE_TURN] * len(found.turns)
    first, second = (walks, fills) if len(walks) > len(fills) else (fills, walks)
    actions = [action for pair in zip(first, second, strict=False) for action in pair]
    actions += first[len(second) :]
    text = templates.ROUTE.format(
        a=found.stops[0],
        b=found.facing,
        c=found.stops[-1],
        actions=templates.numbered(actions),
    )
    return Draft(text=text, answer=letter, options=options)


def _a_route(turns: tuple[str, ...], walk_first: bool, floor: Floor, draw: Draw) -> Route | None:
    """A random route with these turns, or None where the room allows none.

    With `walk_first` the robot goes straight to what it faces, else it turns before it walks.
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
    """Extends the stops by one walk for each turn, never to a place that was already named."""
    if not turns:
        yield stops
        return
    here = floor.at[stops[-1]]
    ahead = _ahead(stops, facing, floor.at)
    low, high = TURNS[turns[0]]
    for name in draw.shuffled(floor.ways[stops[-1]]):
        if name in stops or name == facing:
            continue
        if low <= turn(here, ahead, floor.at[name]) <= high:
            yield from _continue((*stops, name), facing, turns[1:], floor, draw)


def _ahead(stops: tuple[str, ...], facing: str, at: Mapping[str, Point]) -> Point:
    """The point before the robot: what it faces at first, then straight on from its last walk."""
    if len(stops) == 1:
        return at[facing]
    (x0, y0), (x1, y1) = at[stops[-2]], at[stops[-1]]
    return (2 * x1 - x0, 2 * y1 - y0)


def _floor(facts: Facts) -> Floor:
    boxes = facts.singles
    ways = {a: [b for b in boxes if b != a and _walkable(facts, a, b)] for a in boxes}
    return Floor(at={name: centre(box) for name, box in boxes.items()}, ways=ways)


def _walkable(facts: Facts, start: str, end: str) -> bool:
    """Whether a robot can go straight from one object to another, some way and past nothing."""
    a, b = facts.singles[start], facts.singles[end]
    if distance(a, b) < SHORTEST_WALK:
        return False
    others = [thing.box for thing in facts.scene.things if thing.box not in (a, b)]
    return not any(crosses(centre(a), centre(b), box) for box in others)
