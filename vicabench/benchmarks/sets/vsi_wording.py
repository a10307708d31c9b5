"""The prompts of VSI-Bench, which several benchmarks ask with."""

from __future__ import annotations

from vicabench.metrics import CHOICE, NUMERIC
from vicabench.wording import Wording

CHOICES = (
    "These are frames of a video.\n{question}\nOptions:\n{options}\n"
    "Answer with the option's letter from the given choices directly."
)
NUMBERS = "These are frames of a video.\n{question}\n"


def vsi_wording(name: str, source: str, number: str) -> Wording:
    """VSI-Bench's prompts, with `number` as the last line for numbers."""
    return Wording(name=name, source=source, templates={NUMERIC: NUMBERS + number, CHOICE: CHOICES})


WORD_OR_PHRASE = "Please answer the question using a single word or phrase."
