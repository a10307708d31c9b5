"""Numbers with their units in running text, in the unit that a question asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from vicabench.grading.words import NUMBER_WORDS, value_of

MOST = 1000  # a text with as many numbers states no single one
SAME = 0.05  # quantities in different units within 5% of each other say the same: 4 m (13 feet)

_METRES = {
    "mm": 0.001,
    "cm": 0.01,
    "m": 1.0,
    "km": 1000.0,
    "in": 0.0254,
    "ft": 0.3048,
    "yd": 0.9144,
}
_SPELLINGS = {
    "mm": r"mm|millimet(?:er|re)s?",
    "cm": r"cm|centimet(?:er|re)s?",
    "km": r"km|kilomet(?:er|re)s?",
    "m": r"m|met(?:er|re)s?",
    "in": r"inch(?:es)?|in(?=\s?(?:$|[).,;]))",  # `in` is a word far more often
    "ft": r"ft|feet|foot",
    "yd": r"yd|yards?",
}
_ASKED = {"objects": (0, 1.0), "m": (1, 1.0), "cm": (1, 0.01), "m²": (2, 1.0)}
"""Of each unit of a task: its power of a length, and its size in metres to that power."""

_WORD = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
_WORDS = re.compile(rf"\b(?:{_WORD})\b(?:[\s-]{{1,3}}(?:and\s)?(?:{_WORD})\b)*+", re.IGNORECASE)
_UNIT = "|".join(f"(?P<{name}>{spelling})" for name, spelling in _SPELLINGS.items())
_QUANTITY = re.compile(
    r"(?<![\w.,])(?P<number>-?(?:\d{1,3}(?:,\d{3})++|\d++)(?:\.\d++)?|-?\.\d++)"
    rf"(?:[\s-]{{0,3}}(?P<square>square[\s-]|sq\.?\s?)?(?:{_UNIT})(?P<two>²|\^\{{?2\}}?|2)?(?![\w²]))?"
    r"(?P<glued>[A-Za-z%]?)",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\s{0,3}(?:-|–|—|~|to)\s{0,3}", re.IGNORECASE)  # hyphen and both dashes
_AND = re.compile(r"\s{1,3}and\s{1,3}", re.IGNORECASE)
_ABOUT = re.compile(r"\s{0,3}(?:±|\+/-)\s{0,3}")


@dataclass(frozen=True, kw_only=True)
class _Quantity:
    """A number where it stands; `power` of a length is None without a unit."""

    value: float
    power: int | None
    scale: float
    start: int
    end: int


def read_quantity(text: str, unit: str) -> float | None:
    """The one quantity that a text states, in the unit that is asked for (`TASKS` has them).

    Stated units are converted, a range counts as its middle, a margin (±) is passed over, and
    numbers without a unit count only where none has a fitting one. None for no quantity, or for
    several that are not the same.
    """
    power, size = _ASKED[unit]
    text = _WORDS.sub(_digits, text.rpartition("=")[2])
    stated = list(islice(_quantities(text), MOST))
    if len(stated) == MOST:
        return None
    found = list(_merged(text, stated))
    fitting = [q for q in found if q.power is not None and q.power == power and power]
    chosen = fitting or [q for q in found if q.power is None]
    if not chosen or not all(_agree(chosen[0], other) for other in chosen[1:]):
        return None
    return chosen[0].value * (chosen[0].scale / size if chosen[0].power else 1.0)


def _agree(first: _Quantity, other: _Quantity) -> bool:
    if first.scale == other.scale:
        return first.value == other.value
    a, b = first.value * first.scale, other.value * other.scale
    return abs(a - b) <= SAME * abs(a)


def _digits(words: re.Match[str]) -> str:
    run = re.split(r"[\s-]+", words[0].lower())
    return f"{value_of(word for word in run if word != 'and'):g}"


def _merged(text: str, stated: Iterable[_Quantity]) -> Iterator[_Quantity]:
    """The quantities of a text, with ranges and margins made one."""
    last: _Quantity | None = None
    for following in stated:
        if last is None:
            last = following
        elif _ABOUT.fullmatch(text, last.end, following.start):
            last = replace(last, power=following.power, scale=following.scale, end=following.end)
        elif _is_range(text, last, following):
            first = last.value * (1.0 if last.power is None else last.scale / following.scale)
            last = replace(following, value=(first + following.value) / 2, start=last.start)
        else:
            yield last
            last = following
    if last is not None:
        yield last


def _is_range(text: str, first: _Quantity, second: _Quantity) -> bool:
    if first.power not in (None, second.power):
        return False
    if _RANGE.fullmatch(text, first.end, second.start):
        return True
    opening = text[max(0, first.start - 10) : first.start].strip().lower()
    between = _AND.fullmatch(text, first.end, second.start)
    return between is not None and opening.endswith("between")


def _quantities(text: str) -> Iterator[_Quantity]:
    for match in _QUANTITY.finditer(text):
        if match["glued"]:
            continue  # 1st, 90%, 3D
        value = float(match["number"].replace(",", ""))
        unit = next((name for name in _METRES if match[name]), None)
        power = None if unit is None else 2 if match["square"] or match["two"] else 1
        scale = 1.0 if unit is None or power is None else _METRES[unit] ** power
        yield _Quantity(value=value, power=power, scale=scale, start=match.start(), end=match.end())
