"""Which questions are asked about a scene? A balanced, reproducible mix of all ten types."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, cycle, pairwise, permutations, product

from vicabench.errors import ConfigError
from vicabench.rooms import templates
from vicabench.rooms.facts import Facts, Sightings, facts_of
from vicabench.rooms.geometry import (
    Point,
    centre,
    crosses,
    distance,
    from_boundary,
    longest_side,
    nearest_distance,
    turn,
)
from vicabench.rooms.scene import Draft, Draw, Scene
from vicabench.types import Question

SMALLEST_DISTANCE = 0.2
"""In metres; there are no questions about closer pairs."""


def counting(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """The number of instances of a category with two or more, all of them seen."""
    several = [name for name, boxes in facts.groups.items() if len(boxes) > 1]
    for name in draw.shuffled(several):
        yield Draft(text=templates.COUNTING.format(x=name), answer=str(len(facts.groups[name])))


def abs_distance(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """The distance between the closest points of two unique objects, in metres, one decimal."""
    for pair in draw.shuffled(list(combinations(facts.singles, 2))):
        a, b = draw.shuffled(pair)
        metres = distance(facts.singles[a], facts.singles[b])
        if metres >= SMALLEST_DISTANCE:
            yield Draft(text=templates.ABS_DISTANCE.format(a=a, b=b), answer=f"{metres:.1f}")


def size(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """The longest side of a unique object, in whole centimetres."""
    for name in draw.shuffled(list(facts.singles)):
        answer = str(longest_side(facts.singles[name]))
        yield Draft(text=templates.SIZE.format(x=name), answer=answer)


def room(facts: Facts, _draw: Draw) -> Iterator[Draft]:
    """The floor area in square metres, one decimal."""
    yield Draft(text=templates.ROOM, answer=f"{facts.scene.area:.1f}")


MARGIN, LARGE_MARGIN, LARGE_ROOM = 0.15, 0.30, 40.0
"""Any two of the four distances differ by this many metres, in rooms up to and over 40 m2."""

ORDER_SECONDS = 1.0
"""Any two of the four first appearances are at least this many seconds apart."""

Four = tuple[str, str, str, str]


def rel_distance(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """Which of four categories has the instance that is nearest to a unique object.

    The answer is drawn first, uniformly from the categories that can be it, and then a question
    with that answer: otherwise large furniture would be the answer in most cases.
    """
    questions = _distance_questions(facts)
    rank = 0
    while questions:
        answer = draw.one(sorted({nearest for _, _, nearest in questions}))
        x, four, _ = draw.one([question for question in questions if question[2] == answer])
        options, letter = draw.lettered(rank, answer, [name for name in four if name != answer])
        named = ", ".join(option.split(". ", 1)[1] for option in options)
        text = templates.REL_DISTANCE.format(options=named, x=x)
        yield Draft(text=text, answer=letter, options=options)
        # Two questions about one object with nearly the same options would be redundant.
        questions = [q for q in questions if q[0] != x or len({*q[1]} & {*four}) < 3]
        rank += 1


def _distance_questions(facts: Facts) -> list[tuple[str, Four, str]]:
    """All unambiguous questions: object, four categories, the nearest of them."""
    margin = LARGE_MARGIN if facts.scene.area > LARGE_ROOM else MARGIN
    questions = []
    for x, box in facts.singles.items():
        others = {n: nearest_distance(box, group) for n, group in facts.groups.items() if n != x}
        for four in combinations(others, 4):
            if _apart(others, four, margin):
                questions.append((x, four, min(four, key=others.__getitem__)))
    return questions


def order(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """The order in which four categories are first visible."""
    for rank, four in enumerate(draw.shuffled(_order_questions(facts))):
        right = _ranked(facts.first_visible, four)
        wrong = draw.shuffled([p for p in permutations(right) if p != right])[:3]
        options, letter = draw.lettered(rank, ", ".join(right), [", ".join(p) for p in wrong])
        text = templates.ORDER.format(categories=", ".join(draw.shuffled(four)))
        yield Draft(text=text, answer=letter, options=options)


def _order_questions(facts: Facts) -> list[Four]:
    """All sets of four categories with the same clear order for both thresholds of visibility."""
    margin = ORDER_SECONDS + facts.step  # the times are rounded up to the next sample
    return [
        four
        for four in combinations(facts.first_clear, 4)
        if _apart(facts.first_visible, four, margin)
        and _ranked(facts.first_visible, four) == _ranked(facts.first_clear, four)
    ]


def _ranked(values: Mapping[str, float], four: Four) -> tuple[str, ...]:
    return tuple(sorted(four, key=values.__getitem__))


def _apart(values: Mapping[str, float], four: Four, margin: float) -> bool:
    """Whether any two of the four values differ by at least the margin."""
    return all(b - a >= margin for a, b in pairwise(sorted(values[name] for name in four)))


ANGLE_MARGIN = 10.0
"""In degrees; there are no questions about directions closer to a boundary."""

NEAR, FAR = 0.3, 5.0
"""The least and the largest distance between the centres of two of the three objects, in metres."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """A division of the circle: `classes[i]` begins at `starts[i]` degrees, counter-clockwise."""

    text: str
    starts: tuple[float, ...]
    classes: tuple[str, ...]

    def name(self, angle: float) -> str:
        """The class of an angle in [0, 360)."""
        return self.classes[bisect(self.starts, angle) - 1]


EASY = Level(text=templates.DIRECTION_EASY, starts=(0.0, 180.0), classes=("left", "right"))
MEDIUM = Level(
    text=templates.DIRECTION_MEDIUM,
    starts=(0.0, 135.0, 225.0),
    classes=("left", "back", "right"),
)
HARD = Level(
    text=templates.DIRECTION_HARD,
    starts=(0.0, 90.0, 180.0, 270.0),
    classes=("front-left", "back-left", "back-right", "front-right"),
)


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Standing by `a` and facing `b`, `c` is in the direction `answer`."""

    a: str
    b: str
    c: str
    answer: str


def easy(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """Whether an object is to the left or to the right of the faced object."""
    return _questions(EASY, facts, draw)


def medium(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """Whether an object is to my left, right, or back."""
    return _questions(MEDIUM, facts, draw)


def hard(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """In which quadrant an object is."""
    return _questions(HARD, facts, draw)


def _questions(level: Level, facts: Facts, draw: Draw) -> Iterator[Draft]:
    stands = _open(_stands(level, facts), level)
    rank = 0
    while stands:
        target = level.classes[draw.target(rank, len(level.classes))]
        a = draw.one(sorted({stand.a for stand in stands}))
        stand = draw.one([s for s in stands if s.a == a and s.answer == target])
        wrong = [name for name in level.classes if name != target]
        options, letter = draw.lettered(rank, target, wrong)
        text = level.text.format(a=stand.a, b=stand.b, c=stand.c)
        yield Draft(text=text, answer=letter, options=options)
        used = {stand.b, stand.c}
        stands = _open([s for s in stands if s.a != a or {s.b, s.c} != used], level)
        rank += 1


def _open(stands: list[Stand], level: Level) -> list[Stand]:
    """The stands by objects that still allow every answer.

    Most furniture stands at a wall, with nothing behind it. With questions from there, "back"
    would be correct only once in 25, and the object alone would give the answer away.
    """
    answers: dict[str, set[str]] = {}
    for stand in stands:
        answers.setdefault(stand.a, set()).add(stand.answer)
    return [stand for stand in stands if len(answers[stand.a]) == len(level.classes)]


def _stands(level: Level, facts: Facts) -> list[Stand]:
    """All unambiguous stands of a level."""
    at = {name: centre(box) for name, box in facts.singles.items()}
    close = {(a, b) for a, b in permutations(at, 2) if NEAR <= math.dist(at[a], at[b]) <= FAR}
    stands = []
    for a, b, c in permutations(at, 3):
        angle = turn(at[a], at[b], at[c])
        clear = from_boundary(angle, level.starts) >= ANGLE_MARGIN
        if clear and close.issuperset({(a, b), (a, c), (b, c)}):
            stands.append(Stand(a=a, b=b, c=c, answer=level.name(angle)))
    return stands


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


DEFAULT_LIMIT = 18

ASKED: dict[str, Callable[[Facts, Draw], Iterator[Draft]]] = {
    "object_counting": counting,
    "object_abs_distance": abs_distance,
    "object_size_estimation": size,
    "room_size_estimation": room,
    "object_rel_distance": rel_distance,
    "object_rel_direction_easy": easy,
    "object_rel_direction_medium": medium,
    "object_rel_direction_hard": hard,
    "route_planning": route,
    "obj_appearance_order": order,
}
"""The generator of each question type. Add at the end only: the order numbers the random streams.
"""

MIX = (
    "object_rel_direction_medium",
    "object_rel_direction_easy",
    "route_planning",
    "object_counting",
    "obj_appearance_order",
    "object_rel_distance",
    "object_abs_distance",
    "object_size_estimation",
    "room_size_estimation",
    "object_rel_direction_hard",
    "object_counting",
    "obj_appearance_order",
    "object_rel_distance",
    "object_abs_distance",
    "object_size_estimation",
    "object_rel_direction_hard",
    "object_abs_distance",
    "object_size_estimation",
)
"""The order of the types, repeated until there are enough questions; exhausted types are skipped.
"""


def questions_for(
    scene: Scene, sightings: Sightings, *, limit: int = DEFAULT_LIMIT
) -> tuple[Question, ...]:
    """Up to `limit` questions about the scene; fewer only if it allows no more.

    The questions depend on the scene's seed and number alone, and a larger limit only adds to
    those of a smaller one.

    Raises:
        ConfigError: The limit is below 1.
    """
    if limit < 1:
        raise ConfigError(f"Rooms: each scene needs at least one question, not {limit}.")
    facts = facts_of(scene, sightings)
    number = int(scene.name.rsplit("-", 1)[1])
    askers = {
        task: ask(facts, Draw(seed=scene.seed, scene=number, stream=stream))
        for stream, (task, ask) in enumerate(ASKED.items())
    }
    drafts = _take(askers, limit)
    return tuple(_question(scene, n, task, draft) for n, (task, draft) in enumerate(drafts))


def _take(askers: dict[str, Iterator[Draft]], limit: int) -> list[tuple[str, Draft]]:
    """Take drafts from the types in the order of `MIX` until the limit, or all are exhausted."""
    taken: list[tuple[str, Draft]] = []
    done: set[str] = set()
    for task in cycle(MIX):
        if len(taken) == limit or len(done) == len(askers):
            return taken
        draft = next(askers[task], None)
        if draft is None:
            done.add(task)
        else:
            taken.append((task, draft))
    return taken


def _question(scene: Scene, number: int, task: str, draft: Draft) -> Question:
    return Question(
        id=f"{scene.name}-{number:02d}",
        video=f"rooms/{scene.name}",
        task=task,
        text=draft.text,
        answer=draft.answer,
        options=draft.options,
    )
