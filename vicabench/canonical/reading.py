"""What the language model wrote, read strictly: a number, a letter, or that there is neither."""

from __future__ import annotations

import re

from vicabench.canonical.prompt import NOTHING, Blind
from vicabench.harnesses.reading.thoughts import reasoned

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_LETTER = re.compile(r"[A-Za-z]")
SHOWN = 80


class NotCanonicalError(Exception):
    """A reply that is none of what was asked for; the text quotes it."""


def canonical(reply: str, question: Blind) -> str:
    """A number as it was written, an option's letter in upper case, or `NOTHING`.

    Thoughts of the language model itself are cut off. Anything else is a NotCanonicalError: also a
    letter that is no option, and an option's words after another letter.
    """
    text = reasoned(reply).rest.strip("`'\"* \n")
    if text == NOTHING:
        return NOTHING
    found = _number(text) if question.unit else _letter(text, question.options)
    if found is None:
        wanted = "a number" if question.unit else "an option's letter"
        raise NotCanonicalError(f"the reply is neither {wanted} nor {NOTHING}: {text[:SHOWN]!r}")
    return found


def _number(text: str) -> str | None:
    return text if _NUMBER.fullmatch(text) else None


def _letter(text: str, options: tuple[str, ...]) -> str | None:
    """The letter alone, with a full stop, or with the words of its option."""
    if not options:
        letter = text.removesuffix(".")
        return letter.upper() if _LETTER.fullmatch(letter) else None
    spelled = {
        way.casefold(): option[0].upper()
        for option in options
        if option
        for way in (option[0], f"{option[0]}.", option.strip())
    }
    return spelled.get(text.casefold())
