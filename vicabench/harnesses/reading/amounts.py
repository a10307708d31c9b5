"""The quantity a statement gives: alone, after a phrase, or about its subject."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vicabench.harnesses.reading import BAD
from vicabench.harnesses.reading.numbers import UNIT, in_digits
from vicabench.harnesses.reading.places import CONCLUSION, after, after_answer, after_final
from vicabench.harnesses.reading.places import sentences as sentences_of
from vicabench.harnesses.reading.quantities import Quantity, merged, same, stated, units_behind

_HEDGES = re.compile(
    r"[^\w.+-]*+(?:(?:about|approximately|approx\.?|around|roughly|nearly|almost|circa|ca\.|it'?s|it\sis|there\s(?:are|is|were|appear\sto\sbe)"
    r"|i\s(?:can\s)?(?:count|counted|see|saw|think|believe|estimate|guess|would\s(?:say|estimate))|i'd\s(?:say|estimate)|we\s(?:see|count)"
    r"|probably|maybe|perhaps|likely|a\stotal\sof|in\stotal|total|exactly|at\sleast|so|only|just|estimated|estimate|the|answer|is|are|be|of|a"
    r"|大约|大約|约|約|大概|共有|一共有?|总共有?|有|etwa|ungefähr|es\sgibt|environ|il\sy\sa|hay|unos|unas|aproximadamente|circa|cerca\sde|ci\ssono"
    r"|há|примерно|около)\b[\s:,]*+|(?:大约|大約|约|約|大概|共有|一共有?|总共有?|有|~|≈)\s*+|[^\w\s.+-]\s*+)*+",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"\W*(?:(?!(?:and|near|by|next|on|at|against|behind|under|around|with|from|along|plus|or|but|if|in|inside|beside|of|is|are|not)\b)[^\W\d_]\S{0,40}+\s?+){0,3}+"
    r"(?:\W*(?:in|of)\s(?:the|this|that|my)\s(?:whole\s|entire\s)?(?:room|video|scene|image|house|apartment|space|picture|clip|area)s?)?"
    r"(?:\W*(?:in\s)?(?:total|all|altogether|length|width|height|size|area|away|apart|long|left|visible|shown|here|overall))?\W*",
    re.IGNORECASE,
)
_LONGEST_TAIL = 120
_PARENTHESES = re.compile(r"\([^()\n]{0,200}\)")
_BREAK = re.compile(
    r"[;\n]|\s-\s(?=[a-z])|\b(?:because|since|as\s(?:the|it|there|we|i|they)|given|based|considering|assuming|which|where|while|whereas"
    r"|although|though|but|however|if|due\sto|with|including|compared|plus)\b|因为|因為",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|since|as\s(?:the|it|there|we|i|they)|given|based\son|considering|assuming|while|whereas"
    r"|although|though|if|due\sto|with|using|compared)\b|因为|因為",
    re.IGNORECASE,
)
_UNSURE = re.compile(r"\b(?:could|might|may|maybe|possibly|perhaps|otherwise)\b", re.IGNORECASE)
_APIECE = re.compile(r"\b(?:each|every|another|apiece)\b|\bper\s(?!cent)", re.IGNORECASE)
_MORE = re.compile(
    r"\s?(?:and\s|or\s|maybe\s|perhaps\s)*(?:about\s|approximately\s|around\s)?[-+]?\d",
    re.IGNORECASE,
)
_ADDED = re.compile(
    r"^\W*(?:also|plus|additionally|another|and|then|moreover|furthermore)\b", re.IGNORECASE
)
_LINK = (
    r"\b[^.\n:=;]{0,80}?"
    r"(?:\b(?:is|are|was|would\sbe|be|measures|equals|comes\sto|of|reads|at)\b|[:=≈])"
)
_SUBJECTS = {
    "objects": re.compile(
        rf"\b(?:(?:grand\s|sum\s)?total|count|number){_LINK}|\b(?:in\stotal|altogether|in\sall|all\stogether),?\s|\btotal\s(?=\d)",
        re.IGNORECASE,
    ),
    "m": re.compile(
        rf"\b(?:distance|gap|separation|距离|距離){_LINK}|(?:距离|距離)[^.\n\d]{{0,20}}",
        re.IGNORECASE,
    ),
    "cm": re.compile(
        rf"\b(?:longest\s(?:side|dimension|edge)|(?:max(?:imum)?|largest|greatest)\s(?:side|dimension|length)){_LINK}",
        re.IGNORECASE,
    ),
    "m²": re.compile(
        rf"\b(?:(?:total\s|floor\s|combined\s|room\s)*area|(?:room|floor|total|combined|overall)\s(?:size|space)|size\sof\s(?:the|this)){_LINK}|面积[^.\n\d]{{0,20}}",
        re.IGNORECASE,
    ),
}
_AFTER_TOTAL = re.compile(r"\b(?:in\stotal|altogether|in\sall|all\stogether)\b", re.IGNORECASE)
_ESTIMATE = re.compile(rf"\b(?:estimate|estimation|guess|result|sum){_LINK}", re.IGNORECASE)

_OPENING = re.compile(r":\s|\s-\s(?!\d)|:$")  # 5 m - 3 m = 2 m opens with no answer
_APART = re.compile(rf"(?<=\d)(?:\s\.\s?|\.\s)(?=\d{{1,3}}\s?{UNIT})", re.IGNORECASE)  # 2. 5 m

_NONE_THERE = re.compile(
    r"\b(there\s(?:are|is|were))\sno\s(?!(?:more|less|fewer|other)\b)(?=[a-z])", re.IGNORECASE
)
_SIDE = r"(?:[LWHD]|length|width|height|depth)\s?[:=]\s?(\d+(?:\.\d+)?(?: ?[a-z]{1,11})?)"
_SIDES = re.compile(rf"\b{_SIDE}[,;\n]\s{{0,3}}{_SIDE}(?:[,;\n]\s{{0,3}}{_SIDE})?", re.IGNORECASE)

SPELLINGS = {
    "°": ("degrees", "degree", "deg"),
    "deg": ("degrees", "degree", "°"),
    "degrees": ("degree", "deg", "°"),
    "s": ("seconds", "second", "secs", "sec"),
    "seconds": ("second", "secs", "sec", "s"),
    "m/s": ("meters per second", "metres per second", "meter per second", "mps"),
    "m/s²": ("m/s^2", "meters per second squared", "metres per second squared"),
    "%": ("percent", "per cent"),
}
"""Further spellings of units other than lengths and areas."""


def without_unit(reply: str, unit: str) -> str:
    """The reply without this unit behind its numbers."""
    names = sorted((unit, *SPELLINGS.get(unit, ())), key=len, reverse=True)
    pattern = "|".join(map(re.escape, names))
    return re.sub(rf"(?<=\d)[\s\xa0]?(?:{pattern})(?![\w/^])", "", reply, flags=re.IGNORECASE)


Quantities = tuple[Quantity, ...]


class Amounts:
    """Reads quantities in one unit from plain text.

    Every method returns distinct quantities: none if nothing is stated, several if statements
    compete.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def whole(self, text: str) -> Quantities:
        """The quantity of a text that, but for a noun or a hedge, is nothing but an answer."""
        quantities = stated(text, self._unit)
        if len(quantities) != 1 or quantities[0].spoilt:
            return ()
        digits = in_digits(text)
        places = merged(_PARENTHESES.sub(_blank, digits))
        places = places or merged(digits)
        begin = _HEDGES.match(digits)
        if not places or not all(same(places[0], place) for place in places):
            return ()
        if _APIECE.search(text) or "=" in digits or (begin and places[0].start > begin.end() + 1):
            return ()
        tail = _PARENTHESES.sub(" ", digits[places[-1].end :])
        return tuple(quantities) if len(tail) <= _LONGEST_TAIL and _TAIL.fullmatch(tail) else ()

    def opening(self, sentence: str) -> Quantities:
        """The quantity that a statement begins with, before an explanation."""
        return self.whole(sentence) or self.whole(_OPENING.split(sentence, maxsplit=1)[0])

    def head(self, text: str) -> Quantities:
        """The quantity after a phrase such as `the answer is`."""
        clause = _BREAK.split(text, maxsplit=1)[0]
        first = next(iter(sentences_of(text)), "")
        if len(first) > len(clause) and _UNSURE.search(first, len(clause)):
            return tuple(stated(first, self._unit))
        sentence = next(iter(sentences_of(clause)), "")
        parts = re.split(r"(?<!\d),|,(?!\d)", sentence)
        for place, part in enumerate(parts):
            quantities = stated(part, self._unit)
            if quantities:
                more = place + 1 < len(parts) and _MORE.match(in_digits(parts[place + 1]))
                return tuple(stated(sentence, self._unit) if more else quantities)
        return ()

    def asserted(self, sentence: str) -> Quantities:
        """The quantities that a statement asserts, without those in reasons and comparisons."""
        if _APIECE.search(sentence):
            return ()
        if _REASON.match(sentence) and "," in sentence:
            sentence = sentence.split(",", maxsplit=1)[1]
        quantities = stated(_REASON.split(sentence, maxsplit=1)[0], self._unit)
        return tuple(quantities or stated(sentence, self._unit))

    def final(self, text: str) -> list[Quantities]:
        """The quantities after phrases for a final answer."""
        return [self.head(span) for span in after_final(text)]

    def answers(self, text: str) -> list[Quantities]:
        """The quantities after phrases for an answer."""
        return [self.head(span) for span in after_answer(text)]

    def subjects(self, text: str, sentences: Sequence[str]) -> list[Quantities]:
        """The quantities in statements about what is asked: the distance, the total, the area."""
        spans = after(_ESTIMATE, text) + after(_SUBJECTS.get(self._unit, _SUBJECTS["m"]), text)
        readings = [self.asserted(sentences_of(span)[0]) for span in spans]
        if self._unit == "objects":
            clauses = [
                c for s in sentences if _AFTER_TOTAL.search(s) for c in re.split(r"[,;]\s", s)
            ]
            readings += [self.asserted(clause) for clause in clauses if _AFTER_TOTAL.search(clause)]
        return readings

    def concluded(self, text: str) -> list[Quantities]:
        """The quantities in the last conclusion (`so`, `therefore`)."""
        conclusions = [self.asserted(sentences_of(span)[0]) for span in after(CONCLUSION, text)]
        return [quantities for quantities in conclusions if quantities][-1:]

    def combined(self, _text: str) -> Quantities:
        """Nothing: statements do not give a quantity together."""
        return ()

    def continues(self, sentence: str) -> bool:
        """Whether a statement adds to the previous one, which is then not an answer by itself."""
        return _ADDED.match(sentence) is not None and bool(stated(sentence, self._unit))

    def same(self, first: Quantity, other: Quantity) -> bool:
        """Whether two quantities are equal."""
        return same(first, other)

    def prepared(self, text: str) -> str:
        """The text with units after their numbers, and numbers with a gap made unreadable."""
        if self._unit == "objects" and not any(map(str.isdigit, in_digits(text))):
            text = _NONE_THERE.sub(r"\1 0 ", text)
        text = _SIDES.sub(lambda sides: " x ".join(filter(None, sides.groups())), text)
        return units_behind(_APART.sub(BAD, text))


def _blank(aside: re.Match[str]) -> str:
    return " " * len(aside[0])
