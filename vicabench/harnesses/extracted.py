"""What did the model evidently mean? Our own protocol, which never sees the ground truth.

It shows how much of a score is formatting; its scores are not comparable with published ones.
A small grammar reads a reply: it removes thoughts, normalizes characters and markup, and looks for
the answer in its likeliest place. If two readings compete, nothing is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol as Interface
from typing import TypeVar

from vicabench.harnesses.protocols import Protocol, whole_text
from vicabench.harnesses.reading.amounts import Amounts, without_unit
from vicabench.harnesses.reading.places import (
    LONG,
    Choosing,
    after_marks,
    marked,
    sentences,
    since_correction,
    unmarked,
    until_next_question,
)
from vicabench.harnesses.reading.plain import plain
from vicabench.harnesses.reading.quantities import ANY, ASKED, in_unit
from vicabench.harnesses.reading.thoughts import reasoned

T = TypeVar("T")
_YES_NO = re.compile(r"\W*(yes|no)\b(?!\s(?:or|and|one)\b)", re.IGNORECASE)
LONG_SENTENCE = 1_000
"""A longer sentence, in characters, is not read as a statement."""


class Reader(Interface[T]):
    """How one kind of answer is read; every method returns distinct readings."""

    def whole(self, text: str) -> tuple[T, ...]:
        """The answer of a text that consists of nothing else."""
        ...

    def opening(self, sentence: str) -> tuple[T, ...]:
        """The answer that a statement consists of, or begins with."""
        ...

    def asserted(self, sentence: str) -> tuple[T, ...]:
        """The answers in one statement."""
        ...

    def combined(self, text: str) -> tuple[T, ...]:
        """The answer that several statements give together."""
        ...

    def final(self, text: str) -> list[tuple[T, ...]]:
        """The answers after phrases for a final answer."""
        ...

    def answers(self, text: str) -> list[tuple[T, ...]]:
        """The answers after phrases for an answer."""
        ...

    def subjects(self, text: str, sentences: Sequence[str]) -> list[tuple[T, ...]]:
        """The answers in statements about the subject of the question."""
        ...

    def concluded(self, text: str) -> list[tuple[T, ...]]:
        """The answers in the last conclusion."""
        ...

    def continues(self, sentence: str) -> bool:
        """Whether a statement continues the previous one."""
        ...

    def same(self, first: T, other: T) -> bool:
        """Whether two readings are equal."""
        ...

    def prepared(self, text: str) -> str:
        """The text in the form in which it is read."""
        ...


def read_number(reply: str, unit: str) -> float | None:
    """The quantity that the answer states, in the question's unit; for a range, its middle."""
    if unit not in ASKED:
        reply, unit = without_unit(reply, unit), ANY
    amounts = _read(reply, Amounts(unit))
    return in_unit(amounts[0], unit) if len(amounts) == 1 and not amounts[0].spoilt else None


def read_choice(reply: str, options: Sequence[str]) -> str | None:
    """The letter of the option that the answer names, by letter, by wording or by position."""
    reader = Choosing(options)
    letters = _read(reply, reader)
    return letters[0] if len(letters) == 1 and letters[0] in reader.letters else None


def read_yes_no(reply: str) -> str | None:
    """Yes or no at the beginning of the answer, else read as the choice between the two words."""
    if opening := _YES_NO.match(plain(reasoned(reply).rest)):
        return opening[1].lower()
    letter = read_choice(reply, ("A. yes", "B. no"))
    return None if letter is None else {"A": "yes", "B": "no"}[letter]


def _read(reply: str, reader: Reader[T]) -> tuple[T, ...]:
    text = plain(reasoned(reply).rest)
    first = until_next_question(text)
    readings = _at_marks(first, reader)
    return readings if readings or first == text else _at_marks(text, reader)


def _at_marks(text: str, reader: Reader[T]) -> tuple[T, ...]:
    """The answers in marked places, merged with any that the text around them gives."""
    readings = _merged((_in_prose(place, reader) for place in marked(text)), reader)
    bare = unmarked(text)
    if not readings:
        return _in_prose(bare, reader)
    beside = [*reader.final(bare), *reader.answers(after_marks(text))]
    return _merged([readings, *beside], reader)


def _in_prose(text: str, reader: Reader[T]) -> tuple[T, ...]:
    """The answers of a text; if it corrects itself, those after the correction."""
    text = reader.prepared(text)
    if len(text) > LONG:
        lines = text.split("\n")
        return _stressed(text, [lines[0], lines[-1]], reader)
    if readings := reader.whole(text):
        return readings
    since = since_correction(text)
    if not since:
        return _stressed(text, sentences(text), reader) or _stated(text, reader)
    corrected = sentences(since)
    strong = reader.whole(since) or _stressed(since, corrected, reader)
    if strong:
        return strong
    before = _stressed(text, sentences(text), reader)
    return _merged([before, _stated(since, reader)], reader) or _stated(text, reader)


def _stressed(text: str, parts: Sequence[str], reader: Reader[T]) -> tuple[T, ...]:
    """The answers after phrases for an answer, or alone in a statement."""
    short = [part for part in parts if len(part) <= LONG_SENTENCE]
    if readings := _merged(reader.final(text), reader):
        return _merged([readings, *map(reader.whole, short[:1] + short[-1:])], reader)
    alone = [] if any(map(reader.continues, short[1:])) else map(reader.opening, short)
    return _merged([*reader.answers(text), *alone], reader)


def _stated(text: str, reader: Reader[T]) -> tuple[T, ...]:
    """The answers in statements: about the subject, in a conclusion, or else anywhere."""
    if readings := reader.combined(text):
        return readings
    parts = [part for part in sentences(text) if len(part) <= LONG_SENTENCE]
    if readings := _merged(reader.subjects(text, parts), reader):
        return readings
    if readings := _merged(reader.concluded(text), reader):
        return readings
    return _merged(map(reader.asserted, parts), reader)


def _merged(readings: Iterable[tuple[T, ...]], reader: Reader[T]) -> tuple[T, ...]:
    """The distinct readings, at most two: that is enough to know that readings compete."""
    distinct: list[T] = []
    for reading in readings:
        for one in reading:
            if not any(reader.same(other, one) for other in distinct):
                distinct.append(one)
        if len(distinct) > 1:
            break
    return tuple(distinct[:2])


PROTOCOL = Protocol(
    name="extracted",
    source="vicabench: what the reply evidently means",
    read_number=read_number,
    read_choice=read_choice,
    read_yes_no=read_yes_no,
    read_text=lambda reply: whole_text(reasoned(reply).rest),
)
