"""The protocol of lmms-eval: closed reasoning is removed, then the first number counts.

Letters are read as by the official protocol. Two corners are simpler than there, in text no model
writes: tags that only appear once others are removed stay in, and numbers beyond any float are
unreadable instead of an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vicabench.grading import official
from vicabench.grading.protocols import Protocol
from vicabench.grading.words import NUMBER_WORDS, value_of

TAGS = (("<think>", "</think>"), ("<analysis>", "</analysis>"))
DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
WORDS = re.compile(r"[a-z]+")


def read_number(reply: str, _unit: str) -> float | None:
    """The first number, in digits or in English words, whichever starts first."""
    text = without_reasoning(reply).lower()
    digits = DIGITS.search(text)
    start, words = _first_words(text)
    if digits and (not words or digits.start() < start):
        return float(digits[0])
    return value_of(words) if words else None


def read_choice(reply: str, options: Sequence[str]) -> str | None:
    """The first word of what is not reasoning, if it is a single letter."""
    return official.read_choice(without_reasoning(reply), options)


def without_reasoning(reply: str) -> str:
    """The reply without what stands between reasoning tags, stripped.

    Where only a closing tag is there, because the prompt held the opening one, the text after
    the last one; an opening tag that is never closed changes nothing.
    """
    for opening, closing in TAGS:
        kept, place = [], 0
        while (start := reply.find(opening, place)) >= 0:
            end = reply.find(closing, start)
            if end < 0:
                break
            kept.append(reply[place:start])
            place = end + len(closing)
        reply = "".join(kept) + reply[place:]
        if opening not in reply:
            reply = reply.rpartition(closing)[2]
    return reply.strip()


def _first_words(text: str) -> tuple[int, list[str]]:
    """Where the first run of number words starts, and the run; an `and` may stand within it."""
    start = -1
    run: list[str] = []
    for match in WORDS.finditer(text):
        if match[0] in NUMBER_WORDS:
            start = match.start() if not run else start
            run.append(match[0])
        elif run and match[0] != "and":
            break
    return start, run


PROTOCOL = Protocol(
    name="lmms-eval",
    source="lmms-eval 0.7.3, task vsibench",
    read_number=read_number,
    read_choice=read_choice,
)
