"""Grade a reply, and a whole run, by the two metrics of VSI-Bench."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vicabench.harnesses.protocols import Protocol
from vicabench.harnesses.reading.letters import LETTERS
from vicabench.predictions import Prediction
from vicabench.types import (
    ANSWERED,
    EMPTY,
    FAILED,
    NUMERIC,
    TASK_OF_TYPE,
    TRUNCATED,
    UNREADABLE,
    Grade,
    Question,
)

# The released code computes the count as int((0.95 - 0.5) / 0.05 + 2), which is 10 and not 11
# because the float is 10.999...; the published numbers depend on it, so it is a literal here.
THRESHOLDS = np.linspace(0.5, 0.95, 10)
TOLERANCES: tuple[float, ...] = tuple((1 - THRESHOLDS).tolist())


def mean_relative_accuracy(prediction: float, truth: float) -> float:
    """Share in [0, 1] of the ten thresholds t with |prediction - truth| / truth <= 1 - t.

    The comparison is `<=` in float64, as in the released VSI-Bench code; the formula of the
    paper (arXiv 2412.14171, equation 1) has a strict `<`. NaN, infinite and negative predictions
    score 0.

    Raises:
        ValueError: `truth` is not positive and finite.
    """
    if not (math.isfinite(truth) and truth > 0):
        raise ValueError(f"mean relative accuracy needs a positive ground truth, not {truth}")
    error = abs(prediction - truth) / truth
    return sum(error <= tolerance for tolerance in TOLERANCES) / len(TOLERANCES)


def exact_match(letter: str, truth: str) -> float:
    """1.0 if the two letters are equal, ignoring case, else 0.0."""
    return float(letter.lower() == truth.lower())


LIMIT = "length"  # the `stop` of a reply that ended at the limit of new tokens
LIMITS = (LIMIT, "cell")  # "cell": a reply cut off by the size limit of a spreadsheet's cell


def grade(prediction: Prediction, protocol: Protocol) -> Grade:
    """Grade the raw reply; a question without a reply counts as wrong and as failed."""
    question, reply = prediction.question, prediction.response
    read, score = (None, 0.0) if reply is None else _read(question, reply, protocol)
    return Grade(
        id=question.id,
        video=question.video,
        task=question.task,
        protocol=protocol.name,
        read=read,
        score=score,
        outcome=_outcome(read, reply, prediction.answer.stop),
    )


def _read(question: Question, reply: str, protocol: Protocol) -> tuple[str | None, float]:
    task = TASK_OF_TYPE[question.task]
    if task.kind == NUMERIC:
        number = protocol.read_number(reply, task.unit)
        if number is None or not math.isfinite(number):
            return None, 0.0
        return repr(number), mean_relative_accuracy(number, float(question.answer))
    letter = protocol.read_choice(reply, question.options)
    if letter is None or letter.upper() not in _choices(question):
        return None, 0.0
    return letter, exact_match(letter, question.answer)


def _choices(question: Question) -> set[str]:
    """The letters that can answer the question; `I`, read from `I think`, usually cannot."""
    known = string.ascii_uppercase[: len(question.options)] or LETTERS
    return {*known, question.answer.upper()}


def _outcome(read: str | None, reply: str | None, stop: str | None) -> str:
    if reply is None:
        return FAILED
    if read is not None:
        return ANSWERED
    if stop in LIMITS:
        return TRUNCATED
    return UNREADABLE if reply.strip() else EMPTY


Planned = Mapping[str, Mapping[str, str]]


def grade_run(
    predictions: Sequence[Prediction], protocol: Protocol, planned: Planned | None = None
) -> list[Grade]:
    """Grade every prediction; planned questions without a prediction count as wrong.

    Args:
        predictions: The predictions to grade.
        protocol: How to read the replies.
        planned: Question types by video and question id.
    """
    grades = [grade(p, protocol) for p in predictions]
    return grades + list(_never_asked(predictions, protocol, planned or {}))


def _never_asked(
    predictions: Sequence[Prediction], protocol: Protocol, planned: Planned
) -> Iterator[Grade]:
    asked = {p.question.id for p in predictions}
    for video, types in planned.items():
        for key, task in types.items():
            if key not in asked:
                yield Grade(
                    id=key,
                    video=video,
                    task=task,
                    protocol=protocol.name,
                    read=None,
                    score=0.0,
                    outcome=FAILED,
                )
