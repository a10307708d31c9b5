"""Which questions are asked about a scene? A balanced, reproducible mix of all ten types."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, cycle, pairwise, permutations

from vicabench.errors import ConfigError
from vicabench.rooms import templates
from vicabench.rooms.facts import Facts, Sightings, facts_of
from vicabench.rooms.geometry import (
    centre,
    distance,
    from_boundary,
    longest_side,
    nearest_distance,
    turn,
)
from vicabench.rooms.routes import route
from vicabench.rooms.scene import FIRST, GENERATOR, SECOND, Draft, Draw, Scene
from vicabench.types import Question

SMALLEST_DISTANCE = 0.2
"""In metres; there are no questions about closer pairs."""


def counting(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """The number of instances of a category with two or more, all of them seen."""
    several = [name for name, boxes in facts.groups.items() if len(boxes) > 1]
    for name in draw.shuffled(several):
        yield Draft(text=templates.COUNTING.format(x=name), answer=str(len(facts.groups[name])))


BANDS = (0.2, 0.5, 1.0, 2.0, 4.0)
"""The lower ends of the bands of distances, in metres, of which one after another is asked."""


def even_distance(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """As `abs_distance`, but from near to far as evenly as the room allows: `BANDS`."""
    pairs = draw.shuffled(list(combinations(facts.singles, 2)))
    apart = {pair: distance(*(facts.singles[name] for name in pair)) for pair in pairs}
    left = [pair for pair in pairs if apart[pair] >= SMALLEST_DISTANCE]
    for rank in range(len(left)):
        band = draw.target(rank, len(BANDS))
        pair = min(left, key=lambda each: abs(bisect(BANDS, apart[each]) - 1 - band))
        left.remove(pair)
        a, b = draw.shuffled(pair)
        yield Draft(text=templates.ABS_DISTANCE.format(a=a, b=b), answer=f"{apart[pair]:.1f}")


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

EVEN = ASKED | {"object_abs_distance": even_distance}
"""The generators of the second generator of rooms."""

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


def allows_all(scene: Scene, sightings: Sightings) -> bool:
    """Whether a scene allows questions of all types."""
    askers = _askers(scene, sightings, SECOND)
    return all(next(drafts, None) is not None for drafts in askers.values())


def questions_for(
    scene: Scene,
    sightings: Sightings,
    *,
    limit: int = DEFAULT_LIMIT,
    generator: str = GENERATOR,
) -> tuple[Question, ...]:
    """Up to `limit` questions about the scene; fewer only if it allows no more.

    The questions depend on the scene's seed and number alone, and a larger limit only adds to
    those of a smaller one.

    Raises:
        ConfigError: The limit is below 1.
    """
    if limit < 1:
        raise ConfigError(f"Rooms: each scene needs at least one question, not {limit}.")
    drafts = _take(_askers(scene, sightings, generator), limit)
    return tuple(_question(scene, n, task, draft) for n, (task, draft) in enumerate(drafts))


def _askers(scene: Scene, sightings: Sightings, generator: str) -> dict[str, Iterator[Draft]]:
    """The drafts of each type of question about a scene, in random order."""
    facts = facts_of(scene, sightings)
    number = int(scene.name.rsplit("-", 1)[1])
    asked = ASKED if generator == FIRST else EVEN
    return {
        task: ask(facts, Draw(seed=scene.seed, scene=number, stream=stream))
        for stream, (task, ask) in enumerate(asked.items())
    }


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
