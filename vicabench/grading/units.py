"""Units of length and area in the spellings and languages that models write them in."""

from __future__ import annotations

import re
from dataclasses import dataclass

_METRES = {
    "mm": 0.001,
    "cm": 0.01,
    "dm": 0.1,
    "m": 1.0,
    "km": 1000.0,
    "in": 0.0254,
    "ft": 0.3048,
    "yd": 0.9144,
    "mi": 1609.344,
}
_SPELLINGS = {
    "mm": r"mms?|millim[eè]t(?:er|re)s?|milímetros?|millimetri|毫米|公厘"
    r"|ミリ(?:メートル)?|밀리미터|мм",
    "cm": r"cms?|centim[eè]t(?:er|re)s?|centímetros?|centimetr[io]|zentimetern?|厘米|公分"
    r"|センチ(?:メートル)?|센티(?:미터)?|см|сантиметр(?:а|ов|ы)?",
    "dm": r"dm|decim[eè]t(?:er|re)s?|dezimetern?|分米",
    "km": r"kms?|kilom[eè]t(?:er|re)s?|kilómetros?|quilômetros?|公里|千米|キロ(?:メートル)?|км",
    "mi": r"miles?|mi",
    "m": r"m|mtrs?|m[eè]t(?:er|re)s?|metern|metros?|metr[io]|米|公尺"
    r"|メートル|미터|м|метр(?:а|ов|ы)?",
    "in": r"inch(?:es)?|inches|pulgadas?|pouces?|pollici|polegadas?|zoll"
    r"|英寸|インチ|인치|дюйм(?:а|ов)?"
    r"|in(?=\s?\^|\.?\s{0,3}(?:$|[(),;:\]\n/]|\.\s|long\b|wide\b|tall\b|high\b|deep\b|apart\b|away\b|or\b))",
    "ft": r"ft|feet|foot|pies|pieds?|piedi|pés|fu(?:ß|ss)|英尺|フィート|피트|фут(?:а|ов)?",
    "yd": r"yds?|yards?|码",
}
_SQUARE = r"square[\s-]?|sq\.?[\s-]?|quadrat|平方|제곱|평방|кв\.?\s?|квадратн(?:ых|ый|ые|ого)\s"
_SQUARED = (
    r"\s?\^\s?\(?2\)?(?!\.?\d)|2(?![\d.,]*\d)|[\s-]squared"
    r"|\s(?:carrés?|cuadrados?|quadrados?|quadrat[io]|quadri)"
)
_SHORT = {
    **dict.fromkeys(("sqm", "qm", "mq", "kvm", "平米"), ("m", 2)),
    **dict.fromkeys(("sqft", "sf"), ("ft", 2)),
}
_LATIN = r"A-Za-zÀ-ÖØ-öø-ÿЀ-ӿ"

UNIT = (
    rf"(?:(?P<square>{_SQUARE})?(?:"
    + "|".join(f"(?P<u_{name}>{spelling})" for name, spelling in _SPELLINGS.items())
    + rf")(?P<squared>{_SQUARED})?|(?P<short>{'|'.join(_SHORT)})\.?)(?!\^|3(?!\d)|[{_LATIN}])"
)
"""A unit as a part of a larger pattern, to be read with `unit_of`."""
_ALONE = re.compile(rf"{UNIT}\.?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit: its power of a length, and its size in metres to that power."""

    power: int
    scale: float


METRE, FOOT, INCH = (Unit(power=1, scale=_METRES[name]) for name in ("m", "ft", "in"))


def unit_of(found: re.Match[str]) -> Unit | None:
    """The unit that a pattern with `UNIT` has found; None if it has found none."""
    if found["short"]:
        name, power = _SHORT[found["short"].lower()]
    else:
        name = next((name for name in _METRES if found[f"u_{name}"]), "")
        power = 2 if found["square"] or found["squared"] else 1
    return Unit(power=power, scale=_METRES[name] ** power) if name else None


def is_unit(word: str) -> bool:
    """Whether a word is the name or the sign of a unit."""
    return bool(word) and len(word) <= 20 and _ALONE.fullmatch(word) is not None
