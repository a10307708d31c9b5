"""Relative direction, easy, medium and hard: where c is for someone at a who faces b."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

from vicabench.datasets.rooms import templates
from vicabench.datasets.rooms.choices import Draft, Draw
from vicabench.datasets.rooms.facts import Facts
from vicabench.datasets.rooms.geometry import (
    centre,
    centre_distance,
    distance,
    from_boundary,
    turn,
)
from vicabench.datasets.rooms.world import Box

MARGIN = 10.0
"""Degrees; nearer to a boundary the direction is not asked for."""

NEAR, FAR = 0.3, 5.0
"""Metres; the three objects are at least this far apart (closest points), at most so (centres)."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """How finely the circle is cut: `classes[i]` lies counter-clockwise from `starts[i]` on."""

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
    """To the left or to the right of the faced object."""
    return _questions(EASY, facts, draw)


def medium(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """To my left, right, or back."""
    return _questions(MEDIUM, facts, draw)


def hard(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """In which quadrant."""
    return _questions(HARD, facts, draw)


def _questions(level: Level, facts: Facts, draw: Draw) -> Iterator[Draft]:
    stands = _stands(level, facts)
    rank = 0
    while stands:
        wanted = level.classes[draw.target(rank, len(level.classes))]
        stand = _pick(stands, wanted, level, draw)
        wrong = [name for name in level.classes if name != stand.answer]
        options, letter = draw.lettered(rank, stand.answer, wrong)
        text = level.text.format(a=stand.a, b=stand.b, c=stand.c)
        yield Draft(text=text, answer=letter, options=options)
        used = {stand.b, stand.c}
        stands = [s for s in stands if s.a != stand.a or {s.b, s.c} != used]
        rank += 1


def _pick(stands: list[Stand], wanted: str, level: Level, draw: Draw) -> Stand:
    """A question with the wanted answer, where possible by an object that allows all answers.

    Beside a wall nothing is behind, so without this the object alone would tell the answer.
    """
    classes = {a: {s.answer for s in stands if s.a == a} for a in sorted({s.a for s in stands})}
    free = [a for a, found in classes.items() if len(found) == len(level.classes)]
    apt = [a for a, found in classes.items() if wanted in found]
    a = draw.one(free or apt or list(classes))
    here = [s for s in stands if s.a == a]
    return draw.one([s for s in here if s.answer == wanted] or here)


def _stands(level: Level, facts: Facts) -> list[Stand]:
    """All unambiguous questions of a level."""
    near = {pair for pair in permutations(facts.singles, 2) if not _between(facts, *pair)}
    found = []
    for a, b, c in permutations(facts.singles, 3):
        if not near.isdisjoint({(a, b), (a, c), (b, c)}):
            continue
        angle = turn(*(centre(facts.singles[name]) for name in (a, b, c)))
        if from_boundary(angle, level.starts) >= MARGIN:
            found.append(Stand(a=a, b=b, c=c, answer=level.name(angle)))
    return found


def _between(facts: Facts, a: str, b: str) -> bool:
    """Whether two objects are neither too near nor too far from each other."""
    first: Box = facts.singles[a]
    second: Box = facts.singles[b]
    return centre_distance(first, second) <= FAR and distance(first, second) >= NEAR
