"""The option that a text names, by its letter or by its words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

LETTERS = "ABCDEF"  # of a question whose options are not known

_ALONE = re.compile(r"[\s(\[{\"']*([A-Za-z])[\s)\]}\"'.:,]*")
_NAMED = re.compile(
    r"\b(?:option|choice|letter)s?\s{1,3}[(\[]?([A-Z])\b|[(\[]([A-Z])[)\]]", re.IGNORECASE
)
_CAPITAL = re.compile(
    r"(?<![\w'’])(?!A\s(?!or\b|and\b|is\b|because\b)[a-z])([A-Z])(?=$|[\s.,:;!?)\]])"
)
_LABEL = re.compile(r"\s*([A-Z])[.):]\s")


def read_letter(text: str, options: Sequence[str]) -> str | None:
    """The one option named, as a capital letter; None for none, or where names conflict.

    `options` are spelled `A. chair`; without them only letters can be read. In `A chair` the
    first word is an article; in `A. chair` and `A or B` it is a letter.
    """
    known = LETTERS if not options else "".join(option[:1] for option in options)
    alone = _ALONE.fullmatch(text)
    letters = {alone[1].upper()} if alone else set(_letters(text))
    letters &= set(known)
    if len(letters) > 1:
        return None
    named = _by_words(text, options)
    if not letters:
        return named.pop() if len(named) == 1 else None
    return letters.pop() if not named or letters <= named else None


def _letters(text: str) -> Iterator[str]:
    for pattern in (_NAMED, _CAPITAL):
        for match in pattern.finditer(text):
            yield next(letter for letter in match.groups() if letter).upper()
    label = _LABEL.match(text)
    if label:
        yield label[1]


def _by_words(text: str, options: Sequence[str]) -> set[str]:
    """The letters of the options whose words the text has; `left` is not in `front-left`."""
    words = {option.partition(".")[2].strip().casefold(): option[:1] for option in options}
    rest, found = text.casefold(), set()
    for phrase in sorted(words, key=len, reverse=True):
        if not phrase:
            continue
        spelled = r"[\s-]{1,3}".join(map(re.escape, re.split(r"[\s-]+", phrase)))
        rest, count = re.subn(rf"(?<![\w-]){spelled}(?![\w-])", "|", rest)
        if count:
            found.add(words[phrase])
    return found
