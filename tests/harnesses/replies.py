"""Grading one reply in a test."""

from vicabench.harnesses.protocols import find_protocol
from vicabench.predictions import Prediction
from vicabench.rubric import VSI, Rubric
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
    rubric: Rubric = VSI,
    group: str = "",
) -> Grade:
    question = Question(
        id="1", video="v", task=task, text="", answer=truth, options=options, group=group
    )
    answer = Answer(question_id="1", response=reply, stop=stop)
    return grade(Prediction(question=question, answer=answer), find_protocol(protocol), rubric)
