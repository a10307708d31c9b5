"""STI-Bench: how its released code reads replies (arXiv 2503.23765).

Source: github MINT-SJTU/STI-Bench @43ddebe, opensource_test.py. The benchmark has no numeric
questions; numbers are read as by the official protocol. An empty reply ends the released script
with an error; here nothing is read from it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vicabench.harnesses import official
from vicabench.harnesses.protocols import Protocol

_FLAGS = re.IGNORECASE | re.MULTILINE
_FORMS = tuple(
    re.compile(form, _FLAGS)
    for form in (
        r"\(([A-E])\)",
        r"ans\s*+=\s*+['\"]?+([A-E])",
        r"answer\s*+[=:]\s*+([A-E])",
        r"option\s++([A-E])",
        r"\b([A-E])\s*+(?:is|was)\s*+correct",
        r"\b([A-E])[).]\s*$",  # `\s*` gives back: the line may end before its white space does
    )
)
LETTERS = "ABCDE"


def read_choice(reply: str, _options: Sequence[str]) -> str | None:
    """The letter in the first of six forms that occurs, else the last character, if a capital.

    The forms, whatever their case: (A); ans=A; answer: A; option A; A is correct; A. or A) at the
    end of a line.
    """
    for form in _FORMS:
        if found := form.search(reply):
            return found[1].upper()
    last = reply.strip()[-1:]
    return last if last and last in LETTERS else None


PROTOCOL = Protocol(
    name="sti-bench",
    source="STI-Bench released evaluation code (arXiv 2503.23765)",
    read_number=official.read_number,
    read_choice=read_choice,
)
