"""Our own protocol: what the model evidently meant, blind to the ground truth.

It exists to show how much of a score is formatting; its scores compare with no published ones.
A reply is read by a small grammar: thoughts are cut off, characters and markup made plain, and the
answer looked for in its likeliest place. Where two readings compete, nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol as Interface
from typing import TypeVar

from vicabench.harnesses.protocols import Protocol
from vicabench.harnesses.reading.amounts import Amounts
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
from vicabench.harnesses.reading.quantities import in_unit
from vicabench.harnesses.reading.thoughts import reasoned

T = TypeVar("T")
LONG_SENTENCE = 1_000
"""Characters beyond which a sentence states nothing."""


class Reader(Interface[T]):
    """How one kind of answer is read: each method gives what it finds, each once."""

    def whole(self, text: str) -> tuple[T, ...]:
        """What a text says that is nothing but an answer."""
        ...

    def opening(self, sentence: str) -> tuple[T, ...]:
        """The answer that a statement is, or begins with."""
        ...

    def said(self, sentence: str) -> tuple[T, ...]:
        """What a statement says."""
        ...

    def over(self, text: str) -> tuple[T, ...]:
        """What several statements say together."""
        ...

    def final(self, text: str) -> list[tuple[T, ...]]:
        """What follows the phrases for a final answer."""
        ...

    def answers(self, text: str) -> list[tuple[T, ...]]:
        """What follows the phrases for an answer."""
        ...

    def subjects(self, text: str, sentences: Sequence[str]) -> list[tuple[T, ...]]:
        """What is said of the thing asked for."""
        ...

    def concluded(self, text: str) -> list[tuple[T, ...]]:
        """What the last conclusion says."""
        ...

    def goes_on(self, sentence: str) -> bool:
        """Whether a statement adds to the one before."""
        ...

    def same(self, first: T, other: T) -> bool:
        """Whether two readings are the same."""
        ...

    def prepared(self, text: str) -> str:
        """The text as it is to be read."""
        ...


def read_number(reply: str, unit: str) -> float | None:
    """The quantity that the answer states, in the question's unit; a range is its middle."""
    found = _read(reply, Amounts(unit))
    return in_unit(found[0], unit) if len(found) == 1 and not found[0].spoilt else None


def read_choice(reply: str, options: Sequence[str]) -> str | None:
    """The letter that the answer names: by itself, by its option's words, or by their order."""
    reader = Choosing(options)
    found = _read(reply, reader)
    return found[0] if len(found) == 1 and found[0] in reader.letters else None


def _read(reply: str, reader: Reader[T]) -> tuple[T, ...]:
    text = plain(reasoned(reply).rest)
    first = until_next_question(text)
    found = _at_marks(first, reader)
    return found if found or first == text else _at_marks(text, reader)


def _at_marks(text: str, reader: Reader[T]) -> tuple[T, ...]:
    """What marked places say; what is said beside them must not differ."""
    found = _merged((_in_prose(place, reader) for place in marked(text)), reader)
    bare = unmarked(text)
    if not found:
        return _in_prose(bare, reader)
    beside = [*reader.final(bare), *reader.answers(after_marks(text))]
    return _merged([found, *beside], reader)


def _in_prose(text: str, reader: Reader[T]) -> tuple[T, ...]:
    """What a text says; where it corrects itself, what it says since then."""
    text = reader.prepared(text)
    if len(text) > LONG:
        lines = text.split("\n")
        return _stressed(text, [lines[0], lines[-1]], reader)
    if found := reader.whole(text):
        return found
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
    """What a text says as its answer: after phrases, or alone in a statement."""
    short = [part for part in parts if len(part) <= LONG_SENTENCE]
    if found := _merged(reader.final(text), reader):
        return _merged([found, *map(reader.whole, short[:1] + short[-1:])], reader)
    alone = [] if any(map(reader.goes_on, short[1:])) else map(reader.opening, short)
    return _merged([*reader.answers(text), *alone], reader)


def _stated(text: str, reader: Reader[T]) -> tuple[T, ...]:
    """What a text states: about its subject, in conclusion, or anywhere."""
    if found := reader.over(text):
        return found
    parts = [part for part in sentences(text) if len(part) <= LONG_SENTENCE]
    if found := _merged(reader.subjects(text, parts), reader):
        return found
    if found := _merged(reader.concluded(text), reader):
        return found
    return _merged(map(reader.said, parts), reader)


def _merged(readings: Iterable[tuple[T, ...]], reader: Reader[T]) -> tuple[T, ...]:
    """All that is read, each once; two are enough to say that readings compete."""
    kept: list[T] = []
    for reading in readings:
        for one in reading:
            if not any(reader.same(other, one) for other in kept):
                kept.append(one)
        if len(kept) > 1:
            break
    return tuple(kept[:2])


PROTOCOL = Protocol(
    name="extracted",
    source="vicabench: what the reply evidently means",
    read_number=read_number,
    read_choice=read_choice,
)
