"""How EASI asks, which runs VLMEvalKit, and SenseNova-SI, whose authors refer to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vicabench.harnesses.presets import QWEN2_5, QWEN3
from vicabench.harnesses.vlmevalkit import FAMILIES, IMAGES, JPEG, vsi_bench

SOURCE = (
    "github EvolvingLMMs-Lab/EASI @0c1a41e (0.2.2), which runs VLMEvalKit @ba60606e: "
    "vlmeval/dataset/vsibench.py, vlmeval/config.py"
)
SHOWN: Mapping[str, Any] = {**IMAGES, "assume_fps": None, "short": (JPEG,)}
"""Frames as images: as a video, users got 55.3 to 55.7 in place of 62.9 (EASI issue 20)."""
NEARLY_GREEDY_3: Mapping[str, Any] = {
    "max_new_tokens": 32768,
    "temperature": 0.01,
    "top_p": 0.8,
    "top_k": 20,
    "repetition_penalty": 1.0,
}

PRESETS = (
    vsi_bench("easi", "0.2.2", SOURCE, reading="vlmevalkit@VsiBench"),
    vsi_bench(
        "sensenova-si",
        "0.2.2",
        SOURCE,
        reading="vlmevalkit@VsiBench",
        **{
            QWEN2_5: replace(FAMILIES[QWEN2_5], **SHOWN),
            QWEN3: replace(FAMILIES[QWEN3], generation=NEARLY_GREEDY_3, **SHOWN),
        },
    ),
)
