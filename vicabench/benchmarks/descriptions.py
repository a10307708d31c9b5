"""Descriptions of videos as a benchmark: one question per video, without ground truth.

A request for a description is a `Question` of the type `DESCRIPTION`, so that descriptions are run,
saved and resumed like answers. Its text is the whole prompt, which adapters pass on unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vicabench.types import Benchmark, Question

DESCRIPTION = "description"
"""The question type, which belongs to no task because descriptions are not graded."""
PROMPT = "Please describe this video in detail."
"""Our wording: the ViCA2 report (arXiv 2505.12363, section 4.3) asks for a detailed description of
each video without printing its prompt."""
MAX_NEW_TOKENS = 4096
"""The report's limit (section 4.3), as checkpoints of early stages may never stop."""


def descriptions(benchmark: Benchmark, prompt: str) -> Benchmark:
    """A benchmark that asks this prompt about each video of another one, in its order.

    The prompt's SHA-256 is part of the revision: with another prompt it is another benchmark.
    """
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    asked = tuple(
        Question(id=video, video=video, task=DESCRIPTION, text=prompt, answer="")
        for video in dict.fromkeys(question.video for question in benchmark.questions)
    )
    return replace(
        benchmark,
        name=f"{benchmark.name} descriptions",
        revision=f"{benchmark.revision} prompt-sha256:{digest}",
        questions=asked,
    )


def are_descriptions(plan: Mapping[str, Any]) -> bool:
    """Whether the plan of a run folder asks for descriptions."""
    return any(DESCRIPTION in asked.values() for asked in plan["videos"].values())
