"""Questions that are asked with a map of their scene in the prompt: the paper's Table 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vicabench.errors import ConfigError, counted
from vicabench.files import digest_of
from vicabench.mapping.reading import SIZE, Map, text_of
from vicabench.results.asked_as import WITH_MAP
from vicabench.types import Benchmark, Question

OWN, TRUE = "own", "true"
_BEFORE = (
    f"The center locations of objects in this scene, on a {SIZE}x{SIZE} grid, are: {{map}}\n"
    "According to the original video and the {kind}objects' center locations, answer the following "
    "question:\n"
)
_KINDS = {OWN: "predicted ", TRUE: ""}
"""The instruction is that of the released code (vision-x-nyu/thinking-in-space @e6a72f3), which
asks for the map and the question in two turns; here both are one prompt. The code of the true map
is not released."""


def with_maps(
    benchmark: Benchmark, asked: Sequence[Question], maps: Mapping[str, Map | None], kind: str
) -> tuple[Benchmark, tuple[Question, ...]]:
    """The benchmark and the questions that are asked, each with the map of its video before it.

    Questions about videos without a map stay as they are. The maps' SHA-256 and how many videos
    of the benchmark have one are part of the revision, which the run's configuration records.

    Args:
        benchmark: The benchmark.
        asked: The questions to ask, which are among those of the benchmark.
        maps: A map, or None, by video.
        kind: `OWN` or `TRUE`.

    Raises:
        ConfigError: No video of the benchmark has a map.
    """
    videos = {question.video for question in benchmark.questions}
    known = {video: text_of(found) for video, found in maps.items() if found and video in videos}
    if not known:
        raise ConfigError(
            f"--with-map: none of {counted(len(videos), 'video')} has a map. True maps are known "
            "for Rooms, and for VSI-Bench with --meta; own ones are made by vicabench maps."
        )
    told = f"{kind}, {len(known)} of {counted(len(videos), 'video')}, sha256:{digest_of(known)}"

    def given(question: Question) -> Question:
        if question.video not in known:
            return question
        before = _BEFORE.replace("{kind}", _KINDS[kind]).replace("{map}", known[question.video])
        return replace(question, text=before + question.text)

    whole = replace(
        benchmark,
        questions=tuple(map(given, benchmark.questions)),
        revision=f"{benchmark.revision}{WITH_MAP}{told}",
    )
    return whole, tuple(map(given, asked))
