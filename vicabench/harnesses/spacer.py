"""SpaceR: how its own evaluation grades replies (arXiv 2504.01805).

Source: github OuyangKun10/SpaceR @b623af5, SpaceR-Eval, in its mode with thoughts. The first
`<answer>` of a reply counts, else all of it. A number word anywhere counts before any digits, in
the order of a list that ends with `a` and `an` for 1; signs are not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vicabench.harnesses.protocols import Protocol
from vicabench.harnesses.reading.numbers import NUMBER_WORDS

_OPEN, _CLOSE = "<answer>", "</answer>"
WORDS = {
    **{word: value for word, value in NUMBER_WORDS.items() if 0 < value < 100},
    "zero": 0,
    "a": 1,
    "an": 1,
}
"""The words in the order in which they are looked for, and their values."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WORD = re.compile(r"\b(?:" + "|".join(sorted(WORDS, key=len, reverse=True)) + r")\b")
_LETTER = re.compile(r"([A-D])\.?")


def answer_in(reply: str) -> str | None:
    """The first `<answer>`, stripped; the reply if it has none; None if that is never closed."""
    start = reply.find(_OPEN)
    if start < 0:
        return reply
    end = reply.find(_CLOSE, start + len(_OPEN))
    return None if end < 0 else reply[start + len(_OPEN) : end].strip()


def read_number(reply: str, _unit: str) -> float | None:
    """The first word of the list that occurs, else the first number in digits, without its sign."""
    answer = answer_in(reply)
    if answer is None:
        return None
    text = answer.strip().lower()
    words = set(_WORD.findall(text))
    if words:
        return float(next(value for word, value in WORDS.items() if word in words))
    digits = _NUMBER.search(text)
    return float(digits[0]) if digits else None


def read_choice(reply: str, _options: Sequence[str]) -> str | None:
    """The first word if it is one of A to D, or the whole answer if it is one letter."""
    answer = answer_in(reply)
    if answer is None:
        return None
    answer = answer.replace("Answer:", "")
    first = _LETTER.fullmatch(answer.split(" ")[0].strip())
    whole = answer.strip()
    if first:
        return first[1]
    return whole if len(whole) == 1 and whole.isalpha() else None


PROTOCOL = Protocol(
    name="spacer@b623af5",
    source="SpaceR @b623af5, SpaceR-Eval with thoughts (arXiv 2504.01805)",
    read_number=read_number,
    read_choice=read_choice,
)
VERSIONS = {"b623af5": PROTOCOL}
