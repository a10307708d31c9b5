"""Two tasks that compare four categories: which is nearest, and which appears first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise, permutations

from vicabench.datasets.rooms import templates
from vicabench.datasets.rooms.choices import Draft, Draw
from vicabench.datasets.rooms.facts import Facts
from vicabench.datasets.rooms.geometry import nearest_distance

MARGIN, LARGE_MARGIN, LARGE_ROOM = 0.15, 0.30, 40.0
"""Any two of the four distances differ by this many metres, in rooms up to or over 40 m2."""

ORDER_SECONDS = 1.0
"""Any two of the four first appearances are this far apart."""

Four = tuple[str, str, str, str]


def rel_distance(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """Which of four categories has the instance that is nearest to a unique object.

    The answer is drawn first, evenly among the categories that can be it, and then a question
    with that answer: otherwise large furniture would be the answer more often than not.
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
        # Two questions about one object with nearly the same options would test the same thing.
        questions = [q for q in questions if q[0] != x or len({*q[1]} & {*four}) < 3]
        rank += 1


def _distance_questions(facts: Facts) -> list[tuple[str, Four, str]]:
    """All unambiguous (object, four categories, the nearest of them)."""
    margin = LARGE_MARGIN if facts.scene.area > LARGE_ROOM else MARGIN
    found = []
    for x, box in facts.singles.items():
        others = {n: nearest_distance(box, group) for n, group in facts.groups.items() if n != x}
        for four in combinations(others, 4):
            if _apart(others, four, margin):
                found.append((x, four, min(four, key=others.__getitem__)))
    return found


def order(facts: Facts, draw: Draw) -> Iterator[Draft]:
    """In which order four categories are first visible."""
    for rank, four in enumerate(draw.shuffled(_order_questions(facts))):
        right = _ranked(facts.first_visible, four)
        wrong = draw.shuffled([p for p in permutations(right) if p != right])[:3]
        options, letter = draw.lettered(rank, ", ".join(right), [", ".join(p) for p in wrong])
        text = templates.ORDER.format(categories=", ".join(draw.shuffled(four)))
        yield Draft(text=text, answer=letter, options=options)


def _order_questions(facts: Facts) -> list[Four]:
    """All sets of four whose order is clear, whether things count when small or when larger."""
    margin = ORDER_SECONDS + facts.step  # the times are rounded up to the next look
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
