"""How lmms-eval asks: the task `vsibench`, and the model classes that it takes by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vicabench.harnesses.presets import (
    CAMBRIAN,
    GEMINI,
    INTERNVL,
    LLAVA,
    LLAVA_OV,
    NUMBER_ALONE,
    OPENAI,
    OTHER,
    PHRASE,
    QWEN2,
    QWEN2_5,
    QWEN3,
    Asks,
    Preset,
    vsi_wording,
)

SOURCE = "github EvolvingLMMs-Lab/lmms-eval: lmms_eval/tasks/vsibench, lmms_eval/models"
GREEDY: Mapping[str, Any] = {
    "max_new_tokens": 16, "temperature": 0.0, "top_p": 1.0, "num_beams": 1,
}  # fmt: skip
ASSISTANT = "You are a helpful assistant."
PIXELS: Mapping[str, Any] = {"min_pixels": 256 * 28 * 28, "max_pixels": 1_605_632}
"""Defaults of the Qwen classes; for a video, qwen_vl_utils lowers the upper bound."""

WORDINGS = (
    vsi_wording("lmms-eval", SOURCE, numeric=PHRASE),
    vsi_wording(
        "lmms-eval-frames", SOURCE, numeric=PHRASE, frame_label="Frame{i}: ", frame_end="\n"
    ),
    vsi_wording("lmms-eval-numbers", SOURCE, numeric=NUMBER_ALONE),
)
SAMPLED_TWICE = Asks(
    wording="lmms-eval",
    fps=2.0,
    max_frames=32,
    frame_rule="qwen-lin-repeat",
    frames_as="video",
    system=ASSISTANT,
    assume_fps=2.0,
    generation=GREEDY,
    short=(
        "a video beyond 150 seconds is resized as if it had only the frames that are kept, which "
        "can be larger than in the harness",
    ),
    **PIXELS,
)
"""The plain class of Qwen2.5-VL: times are not passed on, so it assumes 2 fps."""
TIMED = Asks(
    wording="lmms-eval",
    frames=32,
    frame_rule="qwen",
    frames_as="video",
    generation=GREEDY,
    **PIXELS,
)
"""The chat class of Qwen2.5-VL from 0.7.2 on, which passes the times of the frames."""
SAMPLED_ONCE = replace(TIMED, assume_fps=2.0)
"""The same from 0.4.1 on, which does not."""
THIRD = replace(TIMED, system=ASSISTANT)
"""The chat class of Qwen3-VL from 0.7.2 on; before, it had no system message either."""
FRAMES = Asks(
    wording="lmms-eval-frames",
    frames=32,
    frame_rule="seg",
    frames_as="images",
    generation={**GREEDY, "top_p": None, "temperature": None},
    short=("the harness runs OpenGVLab's code, and this the port in transformers",),
)
CAMBRIAN_S = Asks(
    wording="lmms-eval",
    fps=1.0,
    max_frames=32,
    generation=GREEDY,
    short=("a frame has the tokens that the checkpoint states, where the class sets 196",),
)
SHARED = {
    QWEN2: replace(
        SAMPLED_TWICE, frame_rule="qwen-lin", min_pixels=3136, max_pixels=602_112
    ),
    INTERNVL: FRAMES,
    LLAVA_OV: Asks(
        wording="lmms-eval",
        frames=32,
        frame_rule="lin",
        frames_as="video",
        system=ASSISTANT,
        generation=GREEDY,
        short=("the harness runs the original LLaVA code, and this the port in transformers",),
    ),
    LLAVA: Asks(
        wording="lmms-eval",
        frames=32,
        frame_rule="lin",
        generation=GREEDY,
        short=("frames are pooled as the checkpoint states, which its class may set",),
    ),
    OPENAI: Asks(
        wording="lmms-eval-numbers",
        frames=10,
        frame_rule="tail",
        generation={"max_new_tokens": 16, "temperature": 0.0},
        short=("frames are encoded otherwise than the harness does",),
    ),
    GEMINI: Asks(
        wording="lmms-eval-numbers",
        generation=GREEDY,
        short=("the service samples the frames of a whole file, and changes over time",),
    ),
    OTHER: Asks(
        wording="lmms-eval", frames=32, frame_rule="lin", generation=GREEDY, known=False
    ),
}  # fmt: skip


def _version(version: str, commit: str, qwen2_5: Asks, **families: Asks) -> Preset:
    return Preset(
        name="lmms-eval",
        version=version,
        source=SOURCE.replace(":", f" @{commit}:", 1),
        reading=f"lmms-eval@{version}",
        wordings=WORDINGS,
        families={**SHARED, QWEN2_5: qwen2_5, **families},
    )


FIRST_CHAT = replace(SAMPLED_TWICE, system=None, min_pixels=128 * 28 * 28, max_pixels=768 * 28 * 28)
"""The first chat class of Qwen2.5-VL, of 0.4: without a system message and a budget."""
PRESETS = (
    _version("0.3.4", "a8635177", SAMPLED_TWICE),
    _version("0.3.5", "f7a6d6bf", SAMPLED_TWICE),
    _version("0.4", "b7b4b1d9", FIRST_CHAT),
    _version("0.4.1", "7697745e", SAMPLED_ONCE),
    _version("0.5", "8f142bc3", SAMPLED_ONCE),
    *(
        _version(version, commit, SAMPLED_ONCE, **{QWEN3: TIMED, CAMBRIAN: CAMBRIAN_S})
        for version, commit in (
            ("0.6", "e643525c"),
            ("0.6.1", "ee31b5a6"),
            ("0.7", "ecfb5990"),
            ("0.7.1", "88b23e2b"),
        )
    ),
    _version("0.7.2", "cb45ac4d", TIMED, **{QWEN3: THIRD, CAMBRIAN: CAMBRIAN_S}),
    _version("0.7.3", "75571cfe", TIMED, **{QWEN3: THIRD, CAMBRIAN: CAMBRIAN_S}),
)
