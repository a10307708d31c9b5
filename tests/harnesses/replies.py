"""Grading one reply in a test."""

from vicabench.harnesses.protocols import find_protocol
from vicabench.predictions import Prediction
from vicabench.scoring.grade import grade
from vicabench.types import Answer, Grade, Question


def grade_reply(
    protocol: str,
    task: str,
    reply: str | None,
    truth: str,
    *,
    options: tuple[str, ...] = (),
    stop: str | None = None,
) -> Grade:
    question = Question(id="1", video="v", task=task, text="", answer=truth, options=options)
    answer = Answer(question_id="1", response=reply, stop=stop)
    return grade(Prediction(question=question, answer=answer), find_protocol(protocol))
