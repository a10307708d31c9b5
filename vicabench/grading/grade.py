"""From one reply to one grade."""

from __future__ import annotations

import math
import string

from vicabench.grading.letters import LETTERS
from vicabench.grading.metrics import exact_match, mean_relative_accuracy
from vicabench.grading.protocols import Protocol
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

LIMIT = "length"  # what `stop` says of a reply that ended at the limit of new tokens
LIMITS = (LIMIT, "cell")  # or that a spreadsheet's cell cut off


def grade(prediction: Prediction, protocol: Protocol) -> Grade:
    """Grade the raw reply; where there is none the question counts as wrong and as failed."""
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
    """The letters that answer the question: the `I` of `I think` is none, whoever reads it."""
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
