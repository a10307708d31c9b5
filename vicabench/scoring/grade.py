"""Grade a reply, and a whole run, by the rubric of its benchmark."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Mapping, Sequence

from vicabench.harnesses.protocols import Protocol
from vicabench.harnesses.reading.letters import LETTERS
from vicabench.metrics import FREE, MRA, NUMERIC, YES_NO, Metric
from vicabench.predictions import Prediction
from vicabench.rubric import VSI, Rubric, Task
from vicabench.types import ANSWERED, EMPTY, FAILED, TRUNCATED, UNREADABLE, Grade, Key, Question


def mean_relative_accuracy(prediction: float, truth: float) -> float:
    """The score of VSI-Bench's metric, in [0, 1]; see `vicabench.metrics.MeanRelativeAccuracy`.

    Raises:
        ValueError: `truth` is not positive and finite.
    """
    if not (math.isfinite(truth) and truth > 0):
        raise ValueError(f"mean relative accuracy needs a positive ground truth, not {truth}")
    return MRA.of(prediction, truth)


LIMIT = "length"  # the `stop` of a reply that ended at the limit of new tokens
LIMITS = (LIMIT, "cell")  # "cell": a reply cut off by the size limit of a spreadsheet's cell


def grade(prediction: Prediction, protocol: Protocol, rubric: Rubric = VSI) -> Grade:
    """Grade the raw reply; a question without a reply counts as wrong and as failed."""
    question, reply = prediction.question, prediction.response
    task = rubric.of_type[question.task]
    read = None if reply is None else read_reply(question, reply, protocol, task)
    return Grade(
        id=question.id,
        video=question.scene or question.video,
        task=question.task,
        protocol=protocol.name,
        read=read,
        score=_score(protocol.metric(task), read, question),
        outcome=_outcome(read, reply, prediction.answer.stop),
        beside=tuple(_score(metric, read, question) for metric in task.beside),
        group=question.group,
        repeat=question.repeat,
    )


def read_reply(question: Question, reply: str, protocol: Protocol, task: Task) -> str | None:
    """What a protocol reads in a reply: a number in digits, a letter, yes or no, or a text."""
    if task.kind == NUMERIC:
        number = protocol.read_number(reply, task.unit)
        return None if number is None or not math.isfinite(number) else repr(number)
    if task.kind == YES_NO:
        return protocol.read_yes_no(reply)
    if task.kind == FREE:
        return protocol.read_text(reply)
    letter = protocol.read_choice(reply, question.options)
    return None if letter is None or letter.upper() not in _choices(question) else letter


def _score(metric: Metric, read: str | None, question: Question) -> float:
    """The best score against any right answer."""
    if read is None:
        return math.nan if metric.is_error else metric.unread(len(question.options))
    scores = [metric.score(read, truth, len(question.options)) for truth in question.answers]
    return min(scores) if metric.is_error else max(scores)


def _choices(question: Question) -> set[str]:
    """The letters that can answer the question; `I`, read from `I think`, usually cannot."""
    known = string.ascii_uppercase[: len(question.options)] or LETTERS
    return {*known, *(answer.upper() for answer in question.answers)}


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
    predictions: Sequence[Prediction],
    protocol: Protocol,
    planned: Planned | None = None,
    rubric: Rubric = VSI,
    repeats: int = 1,
) -> list[Grade]:
    """Grade every prediction; planned replies without a prediction count as wrong.

    Args:
        predictions: The predictions to grade.
        protocol: How to read the replies.
        planned: Question types by video and question id.
        rubric: The tasks of the questions, and how they are scored.
        repeats: How many replies to each question are planned.
    """
    grades = [grade(p, protocol, rubric) for p in predictions]
    left = {
        video: {(key, n): task for key, task in types.items() for n in range(repeats)}
        for video, types in (planned or {}).items()
    }
    return grades + list(_never_asked(predictions, protocol, left, rubric))


def _never_asked(
    predictions: Sequence[Prediction],
    protocol: Protocol,
    planned: Mapping[str, Mapping[Key, str]],
    rubric: Rubric,
) -> Iterator[Grade]:
    asked = {p.question.key for p in predictions}
    for video, types in planned.items():
        for key, task in types.items():
            if key not in asked:
                yield Grade(
                    id=key[0],
                    repeat=key[1],
                    video=video,
                    task=task,
                    protocol=protocol.name,
                    read=None,
                    score=0.0,
                    outcome=FAILED,
                    beside=tuple(
                        math.nan if metric.is_error else metric.unread(0)
                        for metric in rubric.of_type[task].beside
                    ),
                )
