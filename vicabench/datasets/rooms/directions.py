"""Relative direction, easy, medium and hard: where c is for someone at a who faces b."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

from vicabench.datasets.rooms import templates
from vicabench.datasets.rooms.choices import Draft, Draw
from vicabench.datasets.rooms.facts import Facts
from vicabench.datasets.rooms.geometry import centre, from_boundary, turn

MARGIN = 10.0
"""Degrees; nearer to a boundary the direction is not asked for."""

NEAR, FAR = 0.3, 5.0
"""Metres; any two of the three objects are at least and at most so far apart, centre to centre."""


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
    stands = _open(_stands(level, facts), level)
    rank = 0
    while stands:
        wanted = level.classes[draw.target(rank, len(level.classes))]
        a = draw.one(sorted({stand.a for stand in stands}))
        stand = draw.one([s for s in stands if s.a == a and s.answer == wanted])
        wrong = [name for name in level.classes if name != wanted]
        options, letter = draw.lettered(rank, wanted, wrong)
        text = level.text.format(a=stand.a, b=stand.b, c=stand.c)
        yield Draft(text=text, answer=letter, options=options)
        used = {stand.b, stand.c}
        stands = _open([s for s in stands if s.a != a or {s.b, s.c} != used], level)
        rank += 1


def _open(stands: list[Stand], level: Level) -> list[Stand]:
    """Those by objects that still allow every answer.

    By a wall nothing is behind, and most furniture is by a wall: asked there too, "back" would
    be the answer of one in 25, and the object alone would tell.
    """
    answers: dict[str, set[str]] = {}
    for stand in stands:
        answers.setdefault(stand.a, set()).add(stand.answer)
    return [stand for stand in stands if len(answers[stand.a]) == len(level.classes)]


def _stands(level: Level, facts: Facts) -> list[Stand]:
    """All unambiguous questions of a level."""
    at = {name: centre(box) for name, box in facts.singles.items()}
    close = {(a, b) for a, b in permutations(at, 2) if NEAR <= math.dist(at[a], at[b]) <= FAR}
    found = []
    for a, b, c in permutations(at, 3):
        angle = turn(at[a], at[b], at[c])
        clear = from_boundary(angle, level.starts) >= MARGIN
        if clear and close.issuperset({(a, b), (a, c), (b, c)}):
            found.append(Stand(a=a, b=b, c=c, answer=level.name(angle)))
    return found
