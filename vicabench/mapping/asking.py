"""Requests for maps as a benchmark: one question per video, about what its questions name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace

from vicabench.benchmarks.descriptions import DESCRIPTION
from vicabench.errors import ConfigError
from vicabench.types import Benchmark, Question

FIELD = "{categories}"
PROMPT = """[Task]
This video captures an indoor scene. Your objective is to identify specific objects within the \
video, understand the spatial arrangement of the scene, and estimate the center point of each \
object, assuming the entire scene is represented by a 10x10 grid.

[Rule]
1. We provide the categories to care about in this scene: {categories}. Focus ONLY on these \
categories.
2. Estimate the center location of each instance within the provided categories, assuming the \
entire scene is represented by a 10x10 grid.
3. If a category contains multiple instances, include all of them.
4. Each object's estimated location should accurately reflect its real position in the scene, \
preserving the relative spatial relationships among all objects.

[Output]
Present the estimated center locations for each object as a list within a dictionary.
STRICTLY follow this JSON format:
{"category name": [(x_1, y_1), ...], ...}"""
"""The paper's prompt (arXiv 2412.14171, appendix B.4; vision-x-nyu/thinking-in-space @e6a72f3)."""
MAX_NEW_TOKENS = 2048

_NAMED = {
    "object_counting": r"How many (.+?)\(s\) are in this room",
    "object_abs_distance": r"distance between the (.+?) and the (.+?) \(in meters\)",
    "object_size_estimation": r"longest dimension \([^)]*\) of the (.+?), measured",
    "object_rel_distance": r"which of these objects \((.+?)\) is the closest to the (.+?)\?",
    "object_rel_direction": (
        r"standing by the (.+?) and facing the (.+?), is the (.+?) to (?:my|the) "
    ),
    "obj_appearance_order": r"categories in the video: (.+?)\?",
}
"""Where the templates of VSI-Bench (appendix, Table 4) name categories, by type of question."""


def categories_in(question: Question) -> Iterator[str]:
    """The categories that a question of VSI-Bench's types names; none for other questions."""
    for kind, pattern in _NAMED.items():
        if question.task.startswith(kind) and (found := re.search(pattern, question.text)):
            for group in found.groups():
                yield from group.split(", ")


def categories_of(benchmark: Benchmark) -> dict[str, tuple[str, ...]]:
    """The categories that the questions about each video name, in alphabetical order.

    Videos with fewer than two of them, of which a map has no distances, are left out.
    """
    found: dict[str, set[str]] = {}
    for question in benchmark.questions:
        found.setdefault(question.video, set()).update(categories_in(question))
    return {video: tuple(sorted(names)) for video, names in found.items() if len(names) > 1}


def map_requests(benchmark: Benchmark, prompt: str = PROMPT) -> Benchmark:
    """A benchmark that asks for a map of each video of another one, in its order.

    The prompt's SHA-256 is part of the revision: with another prompt it is another benchmark.

    Raises:
        ConfigError: The questions about no video name two categories.
    """
    named = categories_of(benchmark)
    if not named:
        raise ConfigError(
            f"No video of {benchmark.name} can be mapped: its questions name no two categories of "
            "objects, as those of VSI-Bench and Rooms do."
        )
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    return replace(
        benchmark,
        name=f"{benchmark.name} maps",
        revision=f"{benchmark.revision} prompt-sha256:{digest}",
        questions=tuple(
            Question(
                id=video,
                video=video,
                task=DESCRIPTION,
                text=prompt.replace(FIELD, str(list(names))),
                answer="",
            )
            for video, names in named.items()
        ),
    )
