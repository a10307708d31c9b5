"""VSI-SUPER: how lmms-eval reads replies to Recall and Count (arXiv 2511.04670).

Source: github EvolvingLMMs-Lab/lmms-eval @75571cf, tasks/vsisuper. The authors' own code
(cambrian-s) grades nothing but what its streaming models compute: Recall by the first word, as
the official protocol does, and Count by `float`, with an error for any other text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from vicabench.harnesses.protocols import Protocol

_NUMBER = re.compile(r"-?\d++(?:\.\d++)?")
_LETTER = re.compile(r"[A-D]")


def read_number(reply: str, _unit: str) -> float:
    """The first number in digits; 0 where there is none, so that 0 is then a right answer."""
    found = _NUMBER.search(reply)
    return float(found[0]) if found else 0.0


def read_choice(reply: str, _options: Sequence[str]) -> str | None:
    """The first of the letters A to D in the reply in capitals, also within a word."""
    found = _LETTER.search(reply.upper())
    return found[0] if found else None


def read_text(reply: str) -> str | None:
    """The JSON list that a streaming model answers: one number for each time of the question."""
    try:
        values = json.loads(reply)
    except (ValueError, RecursionError):
        return None
    return reply.strip() if isinstance(values, list) else None


PROTOCOL = Protocol(
    name="vsi-super",
    source="lmms-eval @75571cf, tasks vsisuper",
    read_number=read_number,
    read_choice=read_choice,
    read_text=read_text,
)
