"""The text that a model is asked: one function per published wording."""

from __future__ import annotations

from vicabench.benchmarks.descriptions import DESCRIPTION
from vicabench.types import Question

NUMBER_ONLY = "Do not response anything other than a single number!"
"""Spelled as in the released code, for GPT and Gemini."""
EXAMPLES = tuple(
    Question(id="", video="", task="", text="{question}", answer="", options=options)
    for options in ((), ("A. {option}", "B. {option}"))
)
"""One question of each kind; the digest of their prompts identifies a wording."""


def vsi_bench(question: Question) -> str:
    """The wording of VSI-Bench for open models (arXiv 2412.14171, released code).

    A request for a description is used unchanged.
    """
    return _vsi_bench(question, "Please answer the question using a single word or phrase.")


def vsi_bench_api(question: Question) -> str:
    """The wording of VSI-Bench for GPT and Gemini, which asks for a number and nothing else."""
    return _vsi_bench(question, NUMBER_ONLY)


def stands_alone(question: Question) -> bool:
    """Whether the text of a question is the whole prompt: a request for a description."""
    return question.task == DESCRIPTION


def _vsi_bench(question: Question, numeric: str) -> str:
    if stands_alone(question):
        return question.text
    if question.options:
        ending = [
            "Options:",
            *question.options,
            "Answer with the option's letter from the given choices directly.",
        ]
    else:
        ending = [numeric]
    return "\n".join(["These are frames of a video.", question.text, *ending])
