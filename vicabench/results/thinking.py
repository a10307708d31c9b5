"""How many replies of a run come from thoughts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from vicabench.harnesses.reading.thoughts import Reasoned, reasoned
from vicabench.predictions import Prediction
from vicabench.scoring.stats import shares_of
from vicabench.types import ANSWERED, Estimate, Grade, Key, Thinking

DIRECT, THOUGHT, UNCLOSED = "direct", "via thoughts", "unclosed"


def thinking_of(predictions: Sequence[Prediction], grades: Sequence[Grade]) -> Thinking | None:
    """The shares of direct, thought-out and unclosed replies among all graded questions.

    Args:
        predictions: The replies, in which thoughts are looked for.
        grades: Their grades by any protocol; grades of further questions count as not answered.

    Returns:
        None if no reply has thoughts.
    """
    replies = _split(predictions)
    thought = _thoughtful(replies)
    if not thought:
        return None
    unclosed = {key for key, reply in replies.items() if not reply.closed}
    ways = [
        "" if g.outcome != ANSWERED else THOUGHT if g.key in thought else DIRECT for g in grades
    ]
    ends = [UNCLOSED if g.key in unclosed else "" for g in grades]
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
    return {key for key, _ in _thoughtful(_split(predictions))}


def _split(predictions: Sequence[Prediction]) -> dict[Key, Reasoned]:
    """Every reply, by question id and repeat, split into thoughts and answer."""
    return {p.question.key: reasoned(p.response) for p in predictions if p.response is not None}


def _thoughtful(replies: Mapping[Key, Reasoned]) -> set[Key]:
    return {key for key, reply in replies.items() if reply.thoughts is not None}


def _shares(labels: Sequence[str], grades: Sequence[Grade], among: Sequence[str]) -> list[Estimate]:
    videos = [g.video for g in grades]
    return [
        Estimate(mean=mean, low=low, high=high, count=len(grades), clusters=len(set(videos)))
        for mean, low, high in shares_of(labels, videos, among)
    ]
