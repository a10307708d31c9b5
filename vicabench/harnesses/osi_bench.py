"""OSI-Bench: how its released code reads replies (arXiv 2512.19683).

Source: github harmlessSR/OpenBench @2300b0f (later mingrui-wu/OSI-Bench), OSIBench/utils.py. The
last number of the whole reply counts, thoughts included. A letter in lower case equals no answer
there, so it is not read here. Numbers beyond any float are unreadable here; the released code
takes one with a minus for a right answer where the truth is 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vicabench.harnesses.protocols import Protocol

_NUMBER = re.compile(r"[-+]?\d++(?:\.\d++)?")
_LETTER = (
    # After "the answer is" in Chinese, which has to follow a letter or an opening bracket.
    re.compile(r"[A-Z(\[]\s*+答案是?+[:：]?+\s*+'?+\"?+([A-Z])", re.IGNORECASE),
    re.compile(r"[\s,.(\[]([A-Z])[\s,.)\]]"),
)
_OPENING = re.compile(r"\s*+([A-Z])")


def read_number(reply: str, _unit: str) -> float | None:
    """The last number in digits, after all commas are removed."""
    numbers = _NUMBER.findall(reply.replace(",", ""))
    return float(numbers[-1]) if numbers else None


def read_choice(reply: str, _options: Sequence[str]) -> str | None:
    """The first capital that stands between spaces, brackets, commas or stops, else at the start.

    The first capital that fits decides, also the `I` of `I think`.
    """
    padded = f" {reply} "
    found = _LETTER[0].search(reply) or _LETTER[1].search(padded) or _OPENING.match(reply)
    return found[1] if found and found[1].isupper() else None


PROTOCOL = Protocol(
    name="osi-bench",
    source="OSI-Bench released evaluation code (arXiv 2512.19683)",
    read_number=read_number,
    read_choice=read_choice,
)
