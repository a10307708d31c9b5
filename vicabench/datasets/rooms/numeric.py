"""The four tasks whose answer is a number: counting, absolute distance, size and room size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from vicabench.datasets.rooms import templates
from vicabench.datasets.rooms.choices import Draft, Draw
from vicabench.datasets.rooms.facts import Facts
from vicabench.datasets.rooms.geometry import distance, longest_side

SMALLEST_DISTANCE = 0.2
"""Metres; nearer pairs are not asked for."""


def counting(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """How many there are of a category with two or more instances, all of them seen."""
    several = [name for name, boxes in facts.groups.items() if len(boxes) > 1]
    for name in draw.shuffled(several):
        yield Draft(text=templates.COUNTING.format(x=name), answer=str(len(facts.groups[name])))


def abs_distance(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """Metres between the closest points of two unique objects, one decimal."""
    for pair in draw.shuffled(list(combinations(facts.singles, 2))):
        a, b = draw.shuffled(pair)
        metres = distance(facts.singles[a], facts.singles[b])
        if metres >= SMALLEST_DISTANCE:
            yield Draft(text=templates.ABS_DISTANCE.format(a=a, b=b), answer=f"{metres:.1f}")


def size(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """The longest side of a unique object, whole centimetres."""
    for name in draw.shuffled(list(facts.singles)):
        answer = str(longest_side(facts.singles[name]))
        yield Draft(text=templates.SIZE.format(x=name), answer=answer)


def room(facts: Facts, _draw: Draw) -> Iterator[Draft]:
    """The floor area in square metres, one decimal."""
    yield Draft(text=templates.ROOM, answer=f"{facts.scene.area:.1f}")
