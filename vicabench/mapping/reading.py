"""Which map does a reply hold? Read strictly: the requested JSON object, or nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from vicabench.errors import printable
from vicabench.harnesses.reading.thoughts import reasoned

SIZE = 10
"""The cells along each side of the grid."""
Cell = tuple[int, int]
Map = Mapping[str, tuple[Cell, ...]]
"""The cells of the centres of a category's objects, (x, y) with 0 <= x, y < `SIZE`, by category."""

_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
# The prompt's own form has pairs in parentheses, which JSON does not know. A text of JSON is
# matched first, so that nothing within quotation marks is changed.
_PAIR = re.compile(r'"(?:[^"\\]|\\.)*"|\(\s*(\d{1,9})\s*,\s*(\d{1,9})\s*\)')
LONGEST = 100_000


class UnreadMapError(ValueError):
    """A reply that is not a map; the message says why in a few words."""


def read_map(reply: str, categories: Collection[str]) -> Map:
    """The map in a reply, whose thoughts, if it has any, are left out.

    The whole reply is a JSON object, which a fence of Markdown may enclose: for each category a
    list of `[x, y]`, whole numbers from 0 to 9. `(x, y)` as in the paper's prompt is the same.

    Args:
        reply: The reply.
        categories: The categories that were asked for. Those it leaves out have no cells.

    Raises:
        UnreadMapError: The reply is anything else, names a category twice or another one, or holds
            no object.
    """
    text = reasoned(reply).rest.strip()
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1].strip()
    if not text:
        raise UnreadMapError("empty")
    if len(text) > LONGEST:
        raise UnreadMapError(f"longer than {LONGEST:,} characters")
    try:
        content = json.loads(_PAIR.sub(_bracketed, text), object_pairs_hook=_once)
    except (json.JSONDecodeError, RecursionError):
        raise UnreadMapError("not JSON") from None
    if not isinstance(content, dict):
        raise UnreadMapError("not a JSON object")
    for name in content:
        if name not in categories:
            raise UnreadMapError(f"{printable(name)[:40]!r} was not asked for")
    found = {name: _cells(name, content[name]) for name in categories if content.get(name, [])}
    if not any(found.values()):
        raise UnreadMapError("no object in it")
    return found


def _bracketed(match: re.Match[str]) -> str:
    return match[0] if match[1] is None else f"[{match[1]}, {match[2]}]"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise UnreadMapError("a category twice")
    return content


def _cells(name: str, value: Any) -> tuple[Cell, ...]:
    if not isinstance(value, list):
        raise UnreadMapError(f"{name} has no list of objects")
    return tuple(_cell(name, each) for each in value)


def _cell(name: str, value: Any) -> Cell:
    match value:
        case [int(x), int(y)] if type(x) is int and type(y) is int:
            if 0 <= x < SIZE and 0 <= y < SIZE:
                return x, y
            raise UnreadMapError(f"{name} is off the grid: {[x, y]} is not within 0 to {SIZE - 1}")
    raise UnreadMapError(f"an object of {name} is not a pair of whole numbers")


def text_of(found: Map) -> str:
    """The map as JSON on one line, as `read_map` reads it."""
    return json.dumps({name: [list(cell) for cell in cells] for name, cells in found.items()})
