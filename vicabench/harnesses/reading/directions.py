"""Directions in text: left, right, front, back, and those between two of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_SPELLINGS = {
    "left": r"left(?:-?hand)?|leftwards?|links|linke[nr]?|gauche"
    r"|izquierda|sinistra|esquerda|слева|налево|左(?!右)[侧側边邊转轉]?|왼쪽",
    "right": r"right(?:-?hand)?|rightwards?|rechts?e?|droite"
    r"|derecha|destra|direita|справа|направо|(?<!左)右[侧側边邊转轉]?|오른쪽",
    "front": r"front|forwards?|ahead|vorne|vorn|devant|avant"
    r"|delante|davanti|впереди|(?<![之目以提])前[方面]?",
    "back": r"back(?:wards?)?|behind|rear|(?<=turn\s)around|u-turn|hinten"
    r"|derrière|arrière|detrás|atrás|dietro|trás|сзади|назад"
    r"|(?<![然之最以])[后後][方面转轉]?|뒤",
}
_ONE = "|".join(f"(?P<{name}>{spelling})" for name, spelling in _SPELLINGS.items())
_WORD = re.compile(
    rf"(?:(?<![A-Za-zÀ-ÿ])|(?<=front)|(?<=back)|(?<=rear)|(?<=forward))(?:{_ONE})(?:(?<=[^\x00-\x7f])|(?![a-zÀ-ÿ])|(?=left|right))"
    r"(?!\s(?:answer|option|choice|letter|now|away|there|here|one)\b)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"[\s-]?|\s?-\s?|(?:\s(?:of\s)?(?:me|you|us),?)?\s(?:and\s)?(?:slightly\s)?(?:to\s|on\s|in\s)?(?:(?:the|your|my|its)\s)?|方?|\sand\s"
    r"|,\s(?:and\s)?(?:slightly\s)?(?:to|on)\s(?:the|your|my)\s",
    re.IGNORECASE,
)
_TALK = re.compile(
    r"\b(?:that's|that\sis|you're|you\sare|all|i'm)\sright\b|\bleft\s(?:over|out)\b|\bright,?\sso\b",
    re.IGNORECASE,
)
_IGNORED = re.compile(r"\b(?:turn|go|make|the|to|your|my|a|then|and|of|side)\b", re.IGNORECASE)

Sides = frozenset[str]


class Directions:
    """Options that are directions: a single one, or one for every turn of a route."""

    def __init__(self, options: Mapping[str, tuple[Sides, ...]]) -> None:
        self._options = options

    def named(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Letter, start and end of every mention of an option with a single direction.

        A direction between two that is not among the options has the letter `?`.
        """
        single = {sides[0]: letter for letter, sides in self._options.items() if len(sides) == 1}
        for sides, start, end in _mentions(text):
            if sides in single:
                yield single[sides], start, end
            elif len(sides) > 1 and single:
                yield "?", start, end

    def turns(self, text: str) -> tuple[str, ...]:
        """All directions of a text, in order, in the form that `order` returns."""
        known = {side for order in self._options.values() for side in order}
        turns = (sides for sides, _, _ in _mentions(text, apart=True) if sides in known)
        return tuple("".join(sorted(sides)) for sides in turns)

    def order(self, letter: str) -> tuple[str, ...]:
        """The directions of an option, in the form that `turns` returns."""
        return tuple("".join(sorted(sides)) for sides in self._options[letter])


def directions_of(named: Mapping[str, str]) -> Directions | None:
    """The options as directions; None unless all of them consist of nothing else."""
    read: dict[str, tuple[Sides, ...]] = {}
    for letter, words in named.items():
        parts = re.split(r"\s?,\s?|\s?→\s?", words)
        sides = [[s for s, _, _ in _mentions(part)] for part in parts]
        rest = _IGNORED.sub("", _WORD.sub("", words))
        if re.search(r"\w", rest) or any(len(one) != 1 for one in sides):
            return None
        read[letter] = tuple(one[0] for one in sides)
    return Directions(read) if read else None


def _mentions(text: str, *, apart: bool = False) -> list[tuple[Sides, int, int]]:
    """The directions of a text; two adjacent ones are the direction between them unless `apart`."""
    text = _TALK.sub(lambda talk: " " * len(talk[0]), text)
    mentions: list[tuple[Sides, int, int]] = []
    for word in _WORD.finditer(text):
        side = frozenset((word.lastgroup or "",))
        if mentions and not apart and len(mentions[-1][0]) == 1 and side != mentions[-1][0]:
            sides, start, end = mentions[-1]
            if _BETWEEN.fullmatch(text, end, word.start()):
                mentions[-1] = (sides | side, start, word.end())
                continue
        mentions.append((side, word.start(), word.end()))
    return mentions
