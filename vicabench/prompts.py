"""From a question to the text a model is asked, one function a published wording."""

from __future__ import annotations

from vicabench.descriptions import DESCRIPTION
from vicabench.types import Question


def vsi_bench(question: Question) -> str:
    """The wording of VSI-Bench itself for open models (arXiv 2412.14171, released code).

    A request for a description is asked as it stands.
    """
    if question.task == DESCRIPTION:
        return question.text
    if question.options:
        ending = [
            "Options:",
            *question.options,
            "Answer with the option's letter from the given choices directly.",
        ]
    else:
        ending = ["Please answer the question using a single word or phrase."]
    return "\n".join(["These are frames of a video.", question.text, *ending])
