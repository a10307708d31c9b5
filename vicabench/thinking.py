"""How the replies of a Thinking model came about: straight, after thoughts, or cut off in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from vicabench.harnesses.reading.thoughts import Reasoned, reasoned
from vicabench.predictions import Prediction
from vicabench.shares import shares_of
from vicabench.types import ANSWERED, Estimate, Grade, Thinking

DIRECT, THOUGHT, UNCLOSED = "direct", "via thoughts", "unclosed"


def thinking_of(predictions: Sequence[Prediction], grades: Sequence[Grade]) -> Thinking | None:
    """The shares of the ways over all graded questions; None if no reply has thoughts.

    `grades` are those of the predictions by any protocol, and may be of more questions.
    """
    cut = _cut(predictions)
    thought = _thoughtful(cut)
    if not thought:
        return None
    unclosed = {key for key, reply in cut.items() if not reply.closed}
    ways = ["" if g.outcome != ANSWERED else THOUGHT if g.id in thought else DIRECT for g in grades]
    ends = [UNCLOSED if g.id in unclosed else "" for g in grades]
    direct, via_thoughts = _shares(ways, grades, (DIRECT, THOUGHT))
    lengths = [p.answer.new_tokens for p in predictions if p.answer.new_tokens is not None]
    return Thinking(
        direct=direct,
        via_thoughts=via_thoughts,
        unclosed=_shares(ends, grades, (UNCLOSED,))[0],
        new_tokens=fmean(lengths) if lengths else None,
        measured=len(lengths),
    )


def with_thoughts(predictions: Sequence[Prediction]) -> set[str]:
    """The ids of the questions whose replies have thoughts."""
    return _thoughtful(_cut(predictions))


def _cut(predictions: Sequence[Prediction]) -> dict[str, Reasoned]:
    return {p.question.id: reasoned(p.response) for p in predictions if p.response is not None}


def _thoughtful(cut: Mapping[str, Reasoned]) -> set[str]:
    return {key for key, reply in cut.items() if reply.thoughts is not None}


def _shares(labels: Sequence[str], grades: Sequence[Grade], among: Sequence[str]) -> list[Estimate]:
    videos = [g.video for g in grades]
    return [
        Estimate(mean=mean, low=low, high=high, count=len(grades), clusters=len(set(videos)))
        for mean, low, high in shares_of(labels, videos, among)
    ]
