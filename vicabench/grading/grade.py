"""From one reply to one grade."""

from __future__ import annotations

from vicabench.grading.metrics import exact_match, mean_relative_accuracy
from vicabench.grading.protocols import Protocol
from vicabench.types import NUMERIC, TASK_OF_TYPE, Grade, Question


def grade(question: Question, response: str | None, protocol: Protocol) -> Grade:
    """Grade a raw reply; None means that there is none, which counts as wrong and as failed."""
    if response is None:
        read, score = None, 0.0
    elif TASK_OF_TYPE[question.task].kind == NUMERIC:
        read, score = _grade_number(response, question.answer, protocol)
    else:
        read = protocol.read_choice(response)
        score = 0.0 if read is None else exact_match(read, question.answer)
    return Grade(
        id=question.id,
        video=question.video,
        task=question.task,
        protocol=protocol.name,
        read=read,
        score=score,
        failed=response is None,
    )


def _grade_number(reply: str, truth: str, protocol: Protocol) -> tuple[str | None, float]:
    number = protocol.read_number(reply)
    if number is None:
        return None, 0.0
    return repr(number), mean_relative_accuracy(number, float(truth))
