"""Number words, digits as different countries write them, and units of length and area."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from vicabench.harnesses.reading import BAD

# fmt: off
_TO_NINETEEN = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]
# fmt: on
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

TO_TWENTY = {word: value for value, word in enumerate([*_TO_NINETEEN, "twenty"])}
NUMBER_WORDS = {
    **TO_TWENTY,
    **{word: 10 * place for place, word in enumerate(_TENS, start=2)},
    "hundred": 100,
    "thousand": 1000,
}


def value_of_words(words: Iterable[str]) -> float:
    """The value of a run of lower-case number words: `three hundred twenty one` is 321."""
    total = current = 0.0  # floats: a page of `hundred` becomes infinite, not a huge integer
    for word in words:
        value = NUMBER_WORDS[word]
        if value == 100:
            current = max(current, 1.0) * 100
        elif value == 1000:
            total += max(current, 1.0) * 1000
            current = 0.0
        else:
            current += value
    return total + current


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
"""A unit, as part of a larger pattern; `unit_of` reads the match."""
_ALONE = re.compile(rf"{UNIT}\.?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit: its power of length, and its size in metres to that power."""

    power: int
    scale: float


METRE, FOOT, INCH = (Unit(power=1, scale=_METRES[name]) for name in ("m", "ft", "in"))


def unit_of(match: re.Match[str]) -> Unit | None:
    """The unit in a match of a pattern with `UNIT`; None if there is none."""
    if match["short"]:
        name, power = _SHORT[match["short"].lower()]
    else:
        name = next((name for name in _METRES if match[f"u_{name}"]), "")
        power = 2 if match["square"] or match["squared"] else 1
    return Unit(power=power, scale=_METRES[name] ** power) if name else None


def is_unit(word: str) -> bool:
    """Whether a word is the name or the symbol of a unit."""
    return bool(word) and len(word) <= 20 and _ALONE.fullmatch(word) is not None


_ONES = {word: value for word, value in NUMBER_WORDS.items() if 0 < value < 10}
_TEENS = {word: value for word, value in NUMBER_WORDS.items() if 10 <= value < 20}
_TENS_DIGITS = {word: value for word, value in NUMBER_WORDS.items() if 20 <= value < 100}

# Two to twelve, except words that mean something else in another of these languages or English.
_FOREIGN = {
    word: str(value)
    for words in (
        "zwei drei vier fünf sechs sieben acht neun zehn - zwölf",
        "deux trois quatre cinq - sept huit neuf dix onze douze",
        "dos tres cuatro cinco seis siete ocho nueve diez - doce",
        "- tre quattro cinque - sette otto - dieci undici dodici",
        "dois três quatro - - sete oito - dez - doze",
        "два три четыре пять шесть семь восемь девять десять",
    )
    for value, word in enumerate(words.split(), start=2)
    if word != "-"
}

_WORD = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
_RUN = re.compile(
    rf"\b(?:a\s(?=hundred|thousand))?(?:{_WORD})\b"
    rf"(?:(?:[\s-]{{1,2}}|(?<=hundred)\sand\s|(?<=thousand)\sand\s)(?:{_WORD}|point)\b)*+",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\b(?:the|this|that|another|each|every|which|last|first|any|no|some|other|closest|nearest"
    r"|right|correct)\sone\b(?!\s?-?\s?(?:hundred|thousand|half))"
    r"|\bone\s(?=of\s|side\b|end\b|by\sone|could\b|can\b|might\b|more\b)|\bone(?='s\b)",
    re.IGNORECASE,
)
_PARTS = {"half": 0.5, "quarter": 0.25, "third": 1 / 3}
_HALVES = re.compile(
    r"\b(?:(?P<half>(?:one[\s-])?half|a[\s-]half)(?:\s(?P<dozen>a\sdozen)|(?:\sof)?\san?\b)?"
    r"|(?P<many>a|one|two|three)[\s-](?P<part>quarter|third)s?(?:\sof(?:\san?\b)?|(?<!a\sthird)))"
    r"(?=[\s.,;)-]|$)",
    re.IGNORECASE,
)
_AND_PART = re.compile(
    r"(?P<number>\b\d{1,6})(?P<unit>\s(?:m|ft|met(?:er|re|ro)s?|metri|mètres?|feet|foot|yards?))?[\s-](?:and|&)[\s-]"
    r"(?:(?P<one>an?|one|1)\s)?(?P<part>half|quarter|third|0\.5|0\.25|0\.75)\b",
    re.IGNORECASE,
)
_TWELVES = re.compile(
    r"\b(?P<number>a|an|\d{1,3})\s(?P<what>dozen|couple|pair)s?\b(?:\sof\b)?", re.IGNORECASE
)
_SIZES = {"dozen": 12, "couple": 2, "pair": 2}
_A_UNIT = re.compile(
    r"\b(?:a|an)\s(?:single\s)?(?=(?:square[\s-])?(?:meter|metre|foot|yard|centimeter|centimetre|inch)\b)"
    r"|\ba\ssingle\b|\b(?P<half>half)[\s-](?=(?:square[\s-])?(?:met(?:er|re)|foot|yard|inch)\b)",
    re.IGNORECASE,
)
_FOREIGN_HALF = re.compile(r"\s(?:y\smedi[oa]|et\sdemie?|e\smezz[oa]|e\smei[oa])\b", re.IGNORECASE)
_WORDS = re.compile(rf"\b(?:{'|'.join(_FOREIGN)})\b", re.IGNORECASE)

_HAN = {char: value for value, char in enumerate("零一二三四五六七八九")}
_HAN |= {"〇": 0, "两": 2, "兩": 2}
_HAN_PLACES = {"十": 10, "百": 100, "千": 1000}
_COUNTED = "个個把张張只隻台扇盏盞件條条块塊本间間匹位名つ脚개米公厘毫英平"
_HAN_RUN = re.compile(
    rf"(?<![第\d])[零〇一二两兩三四五六七八九十百千點点]{{1,12}}(?=[{_COUNTED}]|\s{{0,2}}(?:$|[.,;)\]\n]))"
)
_HAN_HALF = re.compile(r"(?P<number>\d{1,6})(?P<unit>平方米|平米|米|公尺)半|半(?=米|公尺|平)")
_METRES_AND = re.compile(  # 1米2 is 1.2 m, and 1m20 is 1.20 m; 20m2 is an area
    r"(?<![\d.,])(?P<metres>\d{1,4})(?:(?P<unit>米|公尺|m(?=\d\d))(?P<rest>\d{1,2}))"
    r"(?![\d.,]*\d|\s?(?:厘|公|c|毫|m))",
    re.IGNORECASE,
)


def in_digits(text: str) -> str:
    """The text with number words replaced by digits, or by `BAD` if they do not form a number.

    This includes halves, dozens, couples, `a metre` and Chinese numerals, but not `one` as a
    pronoun, as in `the closest one`.
    """
    text = _FOREIGN_HALF.sub(" and 0.5", text)
    text = _PRONOUN.sub(" that ", text)
    text = _HALVES.sub(_half, text)
    text = _RUN.sub(_run, text)
    text = _WORDS.sub(lambda word: _FOREIGN[word[0].lower()], text)
    text = _A_UNIT.sub(lambda unit: "0.5 " if unit["half"] else "1 ", text)
    text = _TWELVES.sub(_twelve, _AND_PART.sub(_and_part, text))
    if not text.isascii():
        text = _HAN_HALF.sub(_han_half, _HAN_RUN.sub(_han, text))
    return _METRES_AND.sub(r"\g<metres>.\g<rest>\g<unit>", text)


def _half(match: re.Match[str]) -> str:
    if match["half"]:
        return "6" if match["dozen"] else "half" if match[0].lower() == "half" else "0.5"
    many = {"two": 2, "three": 3}.get(match["many"].lower(), 1)
    return f"{many * _PARTS[match['part'].lower()]:.4g}"


def _and_part(match: re.Match[str]) -> str:
    part = match["part"].lower()
    value = _PARTS[part] if part in _PARTS else float(part)
    return f"{int(match['number']) + value:.4g}{match['unit'] or ''}"


def _twelve(match: re.Match[str]) -> str:
    number = int(match["number"]) if match["number"].isdigit() else 1
    return str(number * _SIZES[match["what"].lower()])


def _han_half(match: re.Match[str]) -> str:
    return f"{match['number']}.5{match['unit']}" if match["number"] else "0.5"


def _run(match: re.Match[str]) -> str:
    words = re.split(r"[\s-]+", match[0].lower())
    whole, _, after = " ".join(words).partition("point")
    value = _cardinal([word for word in whole.split() if word != "and"])
    digits = [_digit(word) for word in after.split()]
    if value is None or None in digits or ("point" in words and not digits):
        return BAD
    return f"{value}.{''.join(str(digit) for digit in digits)}" if digits else str(value)


def _digit(word: str) -> int | None:
    return NUMBER_WORDS[word] if word in NUMBER_WORDS and NUMBER_WORDS[word] < 10 else None


def _cardinal(words: list[str]) -> int | None:
    """The value of number words in their order; None unless they are exactly one number."""
    if words in (["zero"], []):
        return 0
    words = words[1:] if words[0] == "a" else words
    if "thousand" in words:
        place = words.index("thousand")
        high, low = _below_thousand(words[:place] or ["one"]), words[place + 1 :]
        rest = _below_thousand(low) if low else 0
        return None if high is None or rest is None else high * 1000 + rest
    return _below_thousand(words)


def _below_thousand(words: list[str]) -> int | None:
    if "hundred" in words:
        place = words.index("hundred")
        high, low = _below_hundred(words[:place] or ["one"]), words[place + 1 :]
        rest = _below_hundred(low) if low else 0
        return None if high is None or rest is None else high * 100 + rest
    return _below_hundred(words)


def _below_hundred(words: list[str]) -> int | None:
    if len(words) == 2 and words[0] in _TENS_DIGITS and words[1] in _ONES:
        return _TENS_DIGITS[words[0]] + _ONES[words[1]]
    known = {**_ONES, **_TEENS, **_TENS_DIGITS}
    return known.get(words[0]) if len(words) == 1 else None


def _han(match: re.Match[str]) -> str:
    whole, _, after = match[0].replace("點", "点").partition("点")
    value = _han_whole(whole)
    if value is None or any(char not in _HAN for char in after) or match[0].endswith(("点", "點")):
        return BAD
    return f"{value}.{''.join(str(_HAN[char]) for char in after)}" if after else str(value)


def _han_whole(text: str) -> int | None:
    if all(char in _HAN for char in text):
        return int("".join(str(_HAN[char]) for char in text)) if text else None
    total, digit, last = 0, None, 10_000
    for char in text:
        if char in _HAN_PLACES:
            place = _HAN_PLACES[char]
            if place >= last:
                return None
            total += (1 if digit is None else digit) * place
            digit, last = None, place
        elif char in _HAN and digit in (None, 0):
            digit = _HAN[char]
        else:
            return None
    if digit and last > 10 and "零" not in text and "〇" not in text:
        return None  # 一百二 is 120 to some and 102 to others
    return total + (digit or 0)


_GROUPED = (
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}"
    r"|\d{1,3}(?:'\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d{2})+,\d{3}|0,\d+"
)
_TEN = r"[eE](?P<e>[+-]?\d{1,4})(?![A-Za-z\d])|\s?[×xX]\s?10\^\(?(?P<ten>[+-]?\d{1,4})(?!\d)\)?"
NUMBER = (
    rf"(?<![A-WYZa-wyzÀ-ÖØ-öø-ÿ\d.,/^{BAD}])(?<![A-Za-z][Xx])(?<!(?-i:[A-Z]{{3}})-)(?<!\^[+-])"
    rf"(?:(?P<sign>(?<![\w)])[+-])?(?:(?:(?P<int>\d{{1,6}})(?:[\s-]|\sand\s))?"
    rf"(?P<above>\d{{1,4}}(?:\.\d{{1,6}})?)\s?/\s?(?P<below>\d{{1,4}}(?:\.\d{{1,6}})?)(?![\d/.])"
    rf"|(?P<decimal>(?:{_GROUPED}|\d++(?:[.,]\d++)?|\.\d++))(?:{_TEN})?))(?![.,]*\d|\s?\^|\s?/\s?\d|\s?{BAD})"
)
"""A number, as part of a larger pattern; `value_of` reads the match."""
_PARTS_OF = (2, 3, 4, 5, 6, 8, 10, 16)


def value_of(match: re.Match[str]) -> float | None:
    """The value in a match of a pattern with `NUMBER`; None if it is ambiguous or not finite."""
    value = _fraction(match) if match["above"] else _decimal(match["decimal"])
    if value is None:
        return None
    ten = match["e"] or match["ten"]
    value *= 10.0 ** max(-400, min(300, int(ten))) if ten else 1.0
    if ten and int(ten) > 300:
        return None
    return (-value if match["sign"] == "-" else value) if math.isfinite(value) else None


def _fraction(match: re.Match[str]) -> float | None:
    above, below = float(match["above"]), float(match["below"])
    if below not in _PARTS_OF or above == below or (match["int"] and above >= below):
        return None
    return float(match["int"] or 0) + above / below


def _decimal(text: str) -> float | None:
    plain = text.replace("'", "")
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+", plain):
        plain = plain.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}", plain):
        plain = plain.replace(".", "")
    elif re.fullmatch(r"0,\d+|\d+,(?:\d{1,2}|\d{4,})", plain):
        plain = plain.replace(",", ".")
    else:
        plain = plain.replace(",", "")
    return float(plain) if len(plain) < 300 else None
