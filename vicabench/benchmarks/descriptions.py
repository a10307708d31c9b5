"""Descriptions of videos as a benchmark: one question a video, which has no right answer.

So that descriptions are run, kept and resumed as answers are, a request for one is a `Question` of
the type `DESCRIPTION`. Its text is the whole prompt, which adapters pass on as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vicabench.types import Benchmark, Question

DESCRIPTION = "description"
"""The question type; it belongs to no task, for there is nothing to grade."""
PROMPT = "Please describe this video in detail."
"""Ours: the ViCA2 report (arXiv 2505.12363, section 4.3) asks for a detailed description of each
video, and does not print its wording."""
MAX_NEW_TOKENS = 4096
"""The report's limit, section 4.3: checkpoints of early stages may never end by themselves."""


def descriptions(benchmark: Benchmark, prompt: str) -> Benchmark:
    """The videos of a benchmark, each asked about with this prompt, in the order they come there.

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
