"""Questions that only training asks: the steps towards what the benchmark asks.

Where each thing is, seen from the middle of the room, is what distances, directions and the order
of appearance follow from. None of these is a question of VSI-Bench, and none is ever scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np

from vicabench.datasets.rooms.catalogue import KINDS
from vicabench.datasets.rooms.choices import Draft
from vicabench.datasets.rooms.comparisons import LARGE_MARGIN, ORDER_SECONDS
from vicabench.datasets.rooms.facts import Facts
from vicabench.datasets.rooms.geometry import nearest_distance
from vicabench.datasets.rooms.walks import Walked
from vicabench.datasets.rooms.world import Box

MIDDLE = "What is the distance between the {x} and the middle of the room (in meters)?"
APART = "What is the distance between the {x} and the {y} (in meters)?"
CLOCK = "From the middle of the room and facing where the video begins, at what o'clock is the {x}?"
FRAME = "In which frame is the {x} nearest to the middle of the picture?"
SOONER = "Which appears first in the video, the {x} or the {y}?"
NEARER = (
    "Measuring from the closest point of each object, which is closer to the {z}, the {x} or the "
    "{y}?"
)
THERE = "Is there a {x} in this room?"
TURN = "Does the camera turn left or right?"
SIDE = "What is the length of the longer side of this room (in meters)?"
TEMPLATES = (MIDDLE, APART, CLOCK, FRAME, SOONER, NEARER, THERE, TURN, SIDE)
REPLIES = ("left", "right", "yes", "no")
"""What is answered besides numbers and the names of things."""

_ASKED_THERE = 2


def exercises(
    walked: Walked, facts: Facts, rng: np.random.Generator
) -> Iterator[tuple[str, Draft]]:
    """All of them about one walk, each with the name of its kind."""
    for name, box in facts.singles.items():
        metres, bearing = from_middle(walked, box)
        yield "distance_from_middle", _draft(MIDDLE, f"{metres:.1f}", name)
        yield "oclock", _draft(CLOCK, str(oclock(walked, bearing)), name)
        yield "best_frame", _draft(FRAME, str(best_frame(walked, bearing)), name)
    for (x, one), (y, other) in combinations(facts.singles.items(), 2):
        metres = math.hypot(one.x - other.x, one.y - other.y)
        yield "apart", Draft(text=APART.format(x=x, y=y), answer=f"{metres:.1f}")
    yield from _compared(facts, rng)
    there = {thing.category for thing in walked.scene.things}
    names = [kind.name for kind in KINDS if kind.name in facts.groups or kind.name not in there]
    for index in rng.permutation(len(names))[:_ASKED_THERE]:
        reply = "yes" if names[index] in there else "no"
        yield "presence", _draft(THERE, reply, names[index])
    yield "camera_turn", _draft(TURN, "left" if walked.scene.walk.turn > 0 else "right")
    yield "longer_side", _draft(SIDE, f"{max(walked.scene.width, walked.scene.depth):.1f}")


def _compared(facts: Facts, rng: np.random.Generator) -> Iterator[tuple[str, Draft]]:
    """Two things: which is seen first, and which is nearer to a third."""
    for x, y in permutations(facts.first_visible, 2):
        sooner = facts.first_visible[y] - facts.first_visible[x]
        if sooner >= ORDER_SECONDS:
            yield from _either("sooner", SOONER, x, y, rng)
    for z, box in facts.singles.items():
        others = [name for name in facts.groups if name != z]
        metres = {name: nearest_distance(box, facts.groups[name]) for name in others}
        for x, y in permutations(others, 2):
            if metres[y] - metres[x] >= LARGE_MARGIN:
                yield from _either("nearer", NEARER.replace("{z}", z), x, y, rng)


def _either(
    kind: str, template: str, right: str, wrong: str, rng: np.random.Generator
) -> Iterator[tuple[str, Draft]]:
    """Which of two it is, to be said by its name, and by a letter."""
    for end in ("", "_by_letter"):
        place = int(rng.integers(2))
        x, y = (right, wrong) if place == 0 else (wrong, right)
        text = template.format(x=x, y=y)
        if end:
            yield kind + end, Draft(text=text, answer="AB"[place], options=(f"A. {x}", f"B. {y}"))
        else:
            yield kind, Draft(text=text, answer=right)


def _draft(template: str, answer: str, name: str = "") -> Draft:
    return Draft(text=template.format(x=name), answer=answer)


def from_middle(walked: Walked, box: Box) -> tuple[float, float]:
    """How far a thing is from the middle of the room in metres, and in which direction, radians."""
    x, y = box.x - walked.scene.width / 2, box.y - walked.scene.depth / 2
    return math.hypot(x, y), math.atan2(y, x)


def oclock(walked: Walked, bearing: float) -> int:
    """12 is straight ahead at the beginning, 3 to the right."""
    clockwise = (float(walked.headings[0]) - bearing) / (2 * math.pi)
    return round(12 * clockwise) % 12 or 12


def best_frame(walked: Walked, bearing: float) -> int:
    """The frame, counted from 1, in whose middle the thing is most nearly."""
    aside = np.abs((walked.headings - bearing + math.pi) % (2 * math.pi) - math.pi)
    return int(aside.argmin()) + 1
