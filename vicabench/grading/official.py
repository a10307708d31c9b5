"""The protocol of the VSI-Bench paper's released code, bit for bit: our headline numbers."""

from __future__ import annotations

from collections.abc import Sequence

from vicabench.grading.protocols import Protocol


def first_word(reply: str) -> str:
    """What stands before the first space (a newline stays in), without trailing full stops."""
    return reply.split(" ", maxsplit=1)[0].rstrip(".").strip()


def read_number(reply: str, _unit: str) -> float | None:
    """The first word as Python's `float` reads it, or None where it does not."""
    try:
        return float(first_word(reply))
    except ValueError:
        return None


def read_choice(reply: str, _options: Sequence[str]) -> str | None:
    """The first word if it is a single letter: nothing else can equal the ground truth."""
    word = first_word(reply)
    return word if len(word) == 1 and word.isalpha() else None


PROTOCOL = Protocol(
    name="official",
    source="VSI-Bench released evaluation code (arXiv 2412.14171)",
    read_number=read_number,
    read_choice=read_choice,
)
