"""Quantities in running text, in the unit that a question asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from vicabench.harnesses.reading import BAD
from vicabench.harnesses.reading.numbers import (
    FOOT,
    INCH,
    METRE,
    NUMBER,
    UNIT,
    Unit,
    in_digits,
    unit_of,
    value_of,
)

SAME = 0.05  # quantities in different units are equal within 5%: 4 m (13 feet)

ANY = ""
LENGTHS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "km": 1000.0}
ASKED = {
    **dict.fromkeys((ANY, "objects")),
    **{name: Unit(power=1, scale=scale) for name, scale in LENGTHS.items()},
    "m²": Unit(power=2, scale=1.0),
}
"""The unit of a task, by its name; None for a count and (`ANY`) a bare number."""
_TIME = re.compile(r"(?<![\d:])\d{1,2}:\d{2}(?::\d{2})?(?:\.\d{1,3})?(?![\d:])")
_QUANTITY = re.compile(
    rf"{NUMBER}(?:[\s-]{{0,2}}\(?(?:{UNIT})\)?|(?P<inches>\"|'')|(?P<feet>')(?=[\s\d.,;:)]|$))?"
    r"(?P<glued>[A-Za-zÀ-ÖØ-öø-ÿ%°:]*)",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"[\s-]{0,2}(?:(?:(?:more|additional|further|extra|sampled|video|key|given|input)[\s-])?(?:frames?|images?)|keyframes?|screenshots?"
    r"|seconds?|secs?|s|minutes?|mins?|hours?|hrs?|fps|percent|%|°|deg(?:rees?)?|kg"
    r"|pixels?|px|times|years?|hz|o'clock|of\sthe\b|秒|分钟|分鐘|帧|幀|度|倍|岁)(?![A-Za-z])",
    re.IGNORECASE,
)
_SHARE = re.compile(r"\s?(?:out\sof|of(?:\sthe|\sa\stotal\sof)?)\s\d", re.IGNORECASE)
_SHARE_OF = re.compile(
    r"\b(?:(?:twice|thrice|double|triple|times)\s(?:the|as|of|that)|half\s(?:of|the))\b|%\sof\b",
    re.IGNORECASE,
)
_GLUED = re.compile(  # 2m50cm, but not 20m2
    r"(?<=\d)(m|cm|ft|feet|foot|meters?|metres?)(?=\d)(?![23](?!\.?\d))", re.IGNORECASE
)
_LABEL = re.compile(
    r"\b(?:frames?|steps?|figures?|fig\.|scenes?|images?|videos?|no\.|options?|questions?|examples?|stages?|cameras?|views?"
    r"|points?|parts?|sections?|timestamps?|second|minute|versions?|room|t\s?=)\s?[#:]?\s?$|第$",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:[<>]|\b(?:less|more|fewer|greater|bigger|smaller|larger|longer|shorter|farther|further|closer|higher"
    r"|lower|wider|other|better|rather|no\s(?:more|less|fewer))\sthan|\b(?:over|under|above|below|beyond|within"
    r"|exceed(?:s|ing)?|up\sto|at\smost|(?:a\s)?m(?:ax|in)imum(?:\sof)?|instead\sof|(?:^|is\s)minus|point|not|isn't|wasn't|aren't|never"
    r"|unlike)|超过|超過|大于|大於|小于|小於|不到|少于|少於|多于|多於|不是|最多)"
    r"\s?(?:about\s|around\s|approximately\s|roughly\s|exactly\s|just\s|the\s|only\s)?$",
    re.IGNORECASE,
)
_BOUND_AFTER = re.compile(
    r"\s?(?:or\s(?:more|less|fewer|greater|above|below|larger|over|under|higher)\b|and\s(?:above|up|over)\b|以上|以下|以内|以內)"
    r"|\s?(?:[^\W\d]{1,12}\s){0,2}(?:is|would\sbe)\s(?:wrong|incorrect|too|not)\b",
    re.IGNORECASE,
)
_OF_NUMBER = re.compile(  # what may follow a length or an area that has no unit
    r"\s?-?\s?(?:units?|so|apart|away|long|wide|tall|high|deep|in(?=\s(?:total|met|length|distance|size|area|all))|from|between|of|is|as|at|based|because"
    r"|since|to|for|or|and|approx|approximately|roughly|about|total|by|on|with|if|which|given|x|each|across"
    r"|per|not|but|left|right|than|assuming|considering|according|rather|左右|多|约|around)(?![A-Za-z])|\s?+-?+\s?+(?![^\W\d_])",
    re.IGNORECASE,
)
_TWO = re.compile(r"\s{0,2}(?:and\s|,\s)?")
_RANGE = re.compile(
    r"\s{0,2}(?:-|~|→|to|through|thru|up\sto|bis|à|至|到|a|hasta|до|から)\s{0,2}", re.IGNORECASE
)
_AND = re.compile(r"\s{1,2}(?:and|&|und|et|y|e)\s{1,2}", re.IGNORECASE)
_BETWEEN = re.compile(
    r"\b(?:between|zwischen|entre|tra)\s(?:about\s|approximately\s|roughly\s|around\s)?$",
    re.IGNORECASE,
)
_MARGIN = re.compile(r"\s{0,2}(?:±|\+/-|\+-|plus\sor\sminus)\s{0,2}", re.IGNORECASE)
_BY = re.compile(r"\s{0,3}(?:×|x|by)\s{0,3}", re.IGNORECASE)
_SUM = re.compile(
    r"\s{0,2}(?:[+÷/^*-]|plus|minus|times|divided\sby|multiplied\sby)\s{0,2}", re.IGNORECASE
)
_LIST = re.compile(
    r"\s{0,2}(?:,\s?(?:or|and)|,|or|and|/|或|或者|oder|ou|o|и|или)\s{0,2}|\s{1,2}", re.IGNORECASE
)
_OR = re.compile(r"\s{0,2}(?:or|或|或者|oder|ou|или)\s{0,2}|\s{1,2}", re.IGNORECASE)
_RATE = re.compile(r"\s?/\s?(?:s|h|min|sec)|\sper\s(?:s|h|min)", re.IGNORECASE)
_YEAR = re.compile(r"(?:in|since|of)\s(?:19|20)\d\d\b", re.IGNORECASE)
_UNIT_FIRST = re.compile(  # distance (cm): 250
    rf"(?:\bin\s|\()\s?(?P<name>{UNIT})\s?\)?\s?(?:is|was|of|:|=|≈)\s?"
    r"(?P<about>(?:about|approximately|roughly|around|~)\s?)?(?P<number>-?\d[\d.,]{0,12}(?<=\d))(?![\d/])",
    re.IGNORECASE,
)
_UNIT_ASIDE = re.compile(rf"\(\s?(?P<name>{UNIT})\s?\)", re.IGNORECASE)  # 250 (cm)
_CHAIN = re.compile(r"[=≈]")
_CLAUSE = re.compile(r"[;\n]|,\s|\sand\s(?=[^\d\n]{1,40}[=≈])")
_PARENTHESES = re.compile(r"\(([^()\n]{1,200})\)|\[([^\[\]\n]{1,200})\]")
_UNSURE = re.compile(r"\b(?:or|maybe|possibly|perhaps|could|might)\b", re.IGNORECASE)
_PART = re.compile(  # of a total: 3 chairs, 2 at the desk and 1 by the door
    r"\s(?:more\s|of\sthem\s)?(?:is\s|are\s)?"
    r"(?:near|by|next|on|at|against|behind|under|beside|in|inside|along|around|across|opposite|to)\b",
    re.IGNORECASE,
)
_SIDES = re.compile(
    r"(?P<length>\b(?:long|length|longest)\b)|(?P<width>\b(?:wide|width)\b)|(?P<depth>\b(?:deep|depth)\b)"
    r"|(?P<height>\b(?:tall|high|height)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number at offsets `start` to `end` of a text; `unit` is None without one.

    `plain` means that no other noun follows which it could count, `folded` that it was joined from
    several numbers, `spoilt` that it has no single value; `factors` are those of a product.
    """

    value: float
    unit: Unit | None
    start: int
    end: int
    plain: bool = True
    factors: tuple[Quantity, ...] = ()
    folded: bool = False
    spoilt: bool = False


def same(first: Quantity, other: Quantity) -> bool:
    """Whether two quantities are equal; in different units, approximately equal."""
    if first.spoilt or other.spoilt:
        return False
    if first.unit == other.unit or first.unit is None or other.unit is None:
        return first.value == other.value
    a, b = first.value * first.unit.scale, other.value * other.unit.scale
    return abs(a - b) <= SAME * abs(a)


def in_unit(quantity: Quantity, unit: str) -> float:
    """The value of a quantity from `stated`, in the unit of the question."""
    asked, own = ASKED[unit], quantity.unit
    return quantity.value * own.scale / asked.scale if own and asked else quantity.value


def units_behind(text: str) -> str:
    """The text with units after their numbers: `distance (cm): 250` becomes `distance 250 cm`."""
    return _UNIT_FIRST.sub(r": \g<about>\g<number> \g<name> ", text)


def stated(text: str, unit: str) -> list[Quantity]:
    """The distinct quantities in a plain text that can answer a question in this unit.

    Quantities without a unit count only if none has a fitting one. A range counts as its middle,
    a margin is ignored; bounds (`less than 3`), negations, times and shares are left out.
    Quantities in parentheses count only if there are no others, or if they repeat one in the unit
    of the question.
    """
    text = _TIME.sub(" ", text)
    results = _results(text)
    if results != text:  # 1.2 m = 4 ft
        everything = _read(text, unit)
        return (
            everything
            if len(everything) == 1 and not everything[0].spoilt
            else _read(results, unit)
        )
    return _read(text, unit)


def _read(text: str, unit: str) -> list[Quantity]:
    text = in_digits(text)
    if _SHARE_OF.search(text):
        return []
    text = _UNIT_ASIDE.sub(r" \g<name>", _GLUED.sub(r"\1 ", text))
    text = _readable(text)
    outside = _PARENTHESES.sub(" ", text)
    quantities = _fitting(outside, unit)
    if quantities and outside != text:
        quantities += [
            q for aside in _PARENTHESES.finditer(text) for q in _aside(aside, unit, quantities)
        ]
    return _distinct(quantities if quantities else _fitting(text, unit), ASKED[unit])


def _aside(aside: re.Match[str], unit: str, outside: Sequence[Quantity]) -> list[Quantity]:
    inner = aside[1] or aside[2]
    quantities = _fitting(inner, unit)
    if _UNSURE.search(inner):
        return quantities
    return [q for q in quantities if q.unit == ASKED[unit] and q.unit and same(outside[0], q)]


def _distinct(quantities: Sequence[Quantity], asked: Unit | None) -> list[Quantity]:
    distinct: list[Quantity] = []
    for quantity in sorted(
        quantities, key=lambda q: q.unit != asked
    ):  # first those in the asked unit
        if quantity.spoilt or not any(same(other, quantity) for other in distinct):
            distinct.append(quantity)
        if len(distinct) > 1:
            break  # two are enough: there is no single answer
    return distinct


def _readable(text: str) -> str:
    """The text without the clauses that contain something unreadable."""
    if BAD not in text:
        return text
    return " ; ".join(clause for clause in _CLAUSE.split(text) if BAD not in clause)


def _results(text: str) -> str:
    """The text with each clause that has `=` or `≈` reduced to what follows the last of them."""
    if not _CHAIN.search(text):
        return text
    clauses = []
    for clause in _CLAUSE.split(text):
        *before, last = _CHAIN.split(clause)
        has_value = bool(in_digits(last)) and any(c.isdigit() for c in in_digits(last))
        clauses.append(last if has_value or not before else before[-1])
    return " ; ".join(clauses)


def _fitting(text: str, unit: str) -> list[Quantity]:
    asked = ASKED[unit]
    quantities = [_valued(q, asked) for q in merged(text)]
    if asked is None:
        return _total(text, [_counted(q, text) for q in quantities if q.unit is None])
    fitting = [q for q in quantities if q.unit is not None and q.unit.power == asked.power]
    if unit == "cm" and len(fitting) > 1:
        fitting = _longest(text, fitting)
    return fitting or [q for q in quantities if q.unit is None and q.plain]


def _total(text: str, quantities: list[Quantity]) -> list[Quantity]:
    """The total, if the text gives it with its parts and their places; else all quantities."""
    for total, parts in ((quantities[:1], quantities[1:]), (quantities[-1:], quantities[:-1])):
        placed = len(parts) > 1 and all(_PART.match(text, part.end) for part in parts)
        if placed and sum(part.value for part in parts) == total[0].value:
            return total
    return quantities


def _counted(quantity: Quantity, text: str) -> Quantity:
    """The quantity as a count, spoilt if it is not an integer (2/3) or two of them (3,4)."""
    part = text[quantity.start : quantity.end]
    odd = "/" in part or ("," in part and quantity.value % 1 != 0)
    return replace(quantity, spoilt=True) if odd else quantity


def _longest(text: str, quantities: Sequence[Quantity]) -> list[Quantity]:
    """The longest, if the quantities are length, width and height of one thing; else all."""
    ends = [*[q.start for q in quantities[1:]], quantities[-1].end + 12]
    after = [
        _SIDES.search(text, q.end, min(q.end + 12, end))
        for q, end in zip(quantities, ends, strict=True)
    ]
    starts = [0, *[q.end for q in quantities[:-1]]]
    before = [
        _SIDES.search(text, max(q.start - 20, start), q.start)
        for q, start in zip(quantities, starts, strict=True)
    ]
    for labels in (after, before):
        kinds = {side.lastgroup for side in labels if side}
        if None not in labels and len(kinds) == len(quantities):
            return [max(quantities, key=lambda q: q.value * (q.unit.scale if q.unit else 1.0))]
    return list(quantities)


def _valued(quantity: Quantity, asked: Unit | None) -> Quantity:
    """The quantity with its product evaluated: as an area, or as the longest side of a thing."""
    factors = quantity.factors
    if not factors:
        return quantity
    units = [q.unit for q in factors if q.unit]
    unit = units[-1] if units else None
    known = [q if q.unit else replace(q, unit=unit) for q in factors]
    if asked is None or any(q.spoilt or (q.unit and q.unit.power != 1) for q in known):
        return replace(quantity, spoilt=True, unit=asked)
    longest = max(known, key=lambda q: q.value * (q.unit.scale if q.unit else 1.0))
    if asked.power == 1:
        return (
            replace(quantity, value=longest.value, unit=longest.unit)
            if asked != METRE
            else replace(quantity, spoilt=True, unit=asked)
        )
    if len(known) != 2 or any(q.value <= 0 for q in known):
        return replace(quantity, spoilt=True, unit=asked)
    area = known[0].value * known[1].value
    scale = 1.0
    for q in known:
        scale *= q.unit.scale if q.unit else 1.0
    return replace(quantity, value=area * scale, unit=asked if unit else None)


def merged(text: str) -> list[Quantity]:
    """The quantities of a text; mixed units, margins, ranges and products are joined into one."""
    quantities = _with_units(text, _folded(text, _quantities(text), _mixed))
    for join in (_margin, _range, _product):
        quantities = _folded(text, quantities, join)
    return quantities


_Join = Callable[[str, Quantity, Quantity], Quantity | None]


def _folded(text: str, quantities: Iterable[Quantity], join: _Join) -> list[Quantity]:
    joined: list[Quantity] = []
    for quantity in quantities:
        one = join(text, joined[-1], quantity) if joined else None
        if one is None:
            joined.append(quantity)
        else:
            joined[-1] = one
    return joined


def _mixed(text: str, first: Quantity, second: Quantity) -> Quantity | None:
    """Join lengths in two units: 5 ft 11 in, 5'11, 1 m 20 cm, 1 m 20."""
    gap = text[first.end : second.start]
    one, two = first.unit, second.unit
    if _BETWEEN.search(text[max(0, first.start - 30) : first.start]):
        return None
    if one is None or one.power != 1 or first.folded or second.value < 0 or not _TWO.fullmatch(gap):
        return None
    if two is None:
        if gap.strip() or not second.plain:
            return None
        if one == METRE and re.fullmatch(r"\d\d", text[second.start : second.end]):
            two = Unit(power=1, scale=0.01)
        elif one == FOOT and second.value < 12:
            two = INCH
        else:
            return None
    fits = (
        two.power == 1
        and two.scale < one.scale
        and second.value * two.scale < one.scale
        and "," not in gap
    )
    if not fits and not (one == FOOT and two == INCH and second.value < 12):
        return None
    value = first.value + second.value * two.scale / one.scale
    return replace(first, value=value, end=second.end, folded=True)


def _margin(text: str, first: Quantity, second: Quantity) -> Quantity | None:
    if not _MARGIN.fullmatch(text, first.end, second.start):
        return None
    return replace(first, unit=first.unit or second.unit, end=second.end, plain=second.plain)


def _range(text: str, first: Quantity, second: Quantity) -> Quantity | None:
    between = _AND.fullmatch(text, first.end, second.start)
    opened = between and _BETWEEN.search(text[max(0, first.start - 30) : first.start])
    if not opened and not _RANGE.fullmatch(text, first.end, second.start):
        return None
    unit = second.unit or first.unit
    one = first.value * _ratio(first.unit or unit, unit)
    two = second.value * _ratio(second.unit or unit, unit)
    spoilt = first.spoilt or second.spoilt or first.folded or one >= two
    spoilt = spoilt or (
        (first.unit or unit) is not None and _power(first, unit) != _power(second, unit)
    )
    return replace(
        second, value=(one + two) / 2, unit=unit, start=first.start, spoilt=spoilt, folded=True
    )


def _power(quantity: Quantity, unit: Unit | None) -> int:
    known = quantity.unit or unit
    return known.power if known else 0


def _ratio(unit: Unit | None, other: Unit | None) -> float:
    return unit.scale / other.scale if unit and other else 1.0


def _product(text: str, first: Quantity, second: Quantity) -> Quantity | None:
    if _BY.fullmatch(text, first.end, second.start):
        factors = (*(first.factors or (first,)), second)
        return replace(first, end=second.end, factors=factors[:4], plain=second.plain)
    if text[first.end : second.start].strip() == "/" and first.unit and same(first, second):
        return first
    if _SUM.fullmatch(text, first.end, second.start):
        return replace(first, end=second.end, unit=second.unit or first.unit, spoilt=True)
    return None


def _with_units(text: str, quantities: Sequence[Quantity]) -> list[Quantity]:
    """Give quantities without a unit that of their neighbour in a list: `2 or 3 metres`."""
    known = list(quantities)
    for place in reversed(range(len(known) - 1)):
        one, two = known[place], known[place + 1]
        if (
            one.unit is None
            and one.plain
            and two.unit
            and _LIST.fullmatch(text, one.end, two.start)
        ):
            known[place] = replace(one, unit=two.unit)
    for place, two in enumerate(known[1:], start=1):
        one = known[place - 1]
        if two.unit is None and two.plain and one.unit and _OR.fullmatch(text, one.end, two.start):
            known[place] = replace(two, unit=one.unit)
    return known


def _quantities(text: str) -> list[Quantity]:
    read = (_quantity(text, match) for match in _QUANTITY.finditer(text))
    return [quantity for quantity in read if quantity is not None]


def _quantity(text: str, match: re.Match[str]) -> Quantity | None:
    start, end = match.start(), match.start("glued")
    glued = match["glued"].lower()
    value = value_of(match)
    before = text[max(0, start - 30) : start]
    bare = glued in ("", ":", "x") or (len(glued) > 3 and glued.isalpha())
    shared = _SHARE.match(text, end) is not None
    if (
        value is None
        or not bare
        or (not shared and _OTHER.match(text, end))
        or _BOUND_AFTER.match(text, end)
    ):
        return None
    if _BOUND.search(before):
        return None
    if _RATE.match(text, end) or _YEAR.fullmatch(text, max(0, start - 3), end):
        return None
    unit = unit_of(match)
    if match["feet"] and before[-1:] != "'":
        unit = FOOT
    elif match["inches"] and before[-1:] != match["inches"][0]:
        unit = INCH
    elif match["feet"] or match["inches"]:
        end -= 1  # a closing quotation mark, not a unit
    if unit is None and _LABEL.search(before):
        return None
    plain = unit is not None or glued in ("x", ":") or _OF_NUMBER.match(text, end) is not None
    return Quantity(value=value, unit=unit, start=start, end=end, plain=plain, spoilt=shared)
