"""The phrases of Rooms' prompts, for a tokenizer in which each of them is one token."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vica.chat import PLACEHOLDER, SYSTEM, vsi_bench_question

from vicabench.datasets.rooms import exercises, templates
from vicabench.datasets.rooms.catalogue import KINDS
from vicabench.datasets.rooms.directions import HARD, MEDIUM
from vicabench.datasets.rooms.routes import LENGTHS, TURNS

NUMERIC = (templates.COUNTING, templates.ABS_DISTANCE, templates.SIZE, templates.ROOM)
CHOICE = (
    templates.REL_DISTANCE,
    templates.DIRECTION_EASY,
    templates.DIRECTION_MEDIUM,
    templates.DIRECTION_HARD,
    templates.ROUTE,
    templates.ORDER,
)
_FIELD = re.compile(r"\{\w+\}")
_OPTION = "{option}"


def phrases() -> tuple[str, ...]:
    """Everything in ViCA's prompts for Rooms that is always the same, and the names of things."""
    return tuple(dict.fromkeys(phrase for phrase in _all() if len(phrase) > 1))


def _all() -> Iterator[str]:
    yield from (f"system\n{SYSTEM}", "user\n", "assistant\n", ", ")
    yield from (kind.name for kind in KINDS)
    for template in (*NUMERIC, *exercises.TEMPLATES):
        yield from _pieces(vsi_bench_question(template))
    for template in CHOICE:
        yield from _pieces(vsi_bench_question(template, [f"{c}. {_OPTION}" for c in "ABCD"]))
    yield from (*MEDIUM.classes, *HARD.classes, *TURNS, *exercises.REPLIES)
    for number in range(1, 2 * max(LENGTHS) + 2):
        yield f"{number}. {_FIELD.split(templates.ROUTE_WALK)[0]}"
        yield f"{number}. {templates.ROUTE_TURN}"


def _pieces(prompt: str) -> list[str]:
    return _FIELD.split(prompt.removeprefix(PLACEHOLDER))
