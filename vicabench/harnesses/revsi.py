"""ReVSI: how its released tasks read replies (arXiv 2604.24300).

Source: github EvolvingLMMs-Lab/lmms-eval @75571cf, tasks/revsi, which the authors name for
evaluation. The rule is that of VSI-Bench, after white space around the reply is removed.
"""

from __future__ import annotations

from collections.abc import Sequence

from vicabench.harnesses import official
from vicabench.harnesses.protocols import Protocol


def read_number(reply: str, unit: str) -> float | None:
    """The first word of the stripped reply as Python's `float` reads it."""
    return official.read_number(reply.strip(), unit)


def read_choice(reply: str, options: Sequence[str]) -> str | None:
    """The first word of the stripped reply, if it is a single letter."""
    return official.read_choice(reply.strip(), options)


PROTOCOL = Protocol(
    name="revsi",
    source="lmms-eval @75571cf, task revsi",
    read_number=read_number,
    read_choice=read_choice,
)
