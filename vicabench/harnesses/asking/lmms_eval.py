"""How lmms-eval asks: the task `vsibench`, and the model classes that it takes by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vicabench.harnesses.presets import (
    GEMINI,
    INTERNVL,
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
PIXELS = {"min_pixels": 256 * 28 * 28, "max_pixels": 1_605_632}
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
    frame_rule="qwen-lin",
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
"""The same from 0.5 on, which does not."""
UNTOLD = TIMED
"""The chat class of Qwen3-VL, which always has the times."""
THIRD = replace(TIMED, system=ASSISTANT)
"""The same from 0.7.2 on, which adds a system message."""
FRAMES = Asks(
    wording="lmms-eval-frames",
    frames=32,
    frame_rule="seg",
    frames_as="images",
    generation={**GREEDY, "top_p": None, "temperature": None},
    short=("the harness runs OpenGVLab's code, and this the port in transformers",),
)
SHARED = {
    QWEN2: replace(SAMPLED_TWICE, min_pixels=3136, max_pixels=602_112),
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
        reading="lmms-eval",
        wordings=WORDINGS,
        families={**SHARED, QWEN2_5: qwen2_5, **families},
    )


PRESETS = (
    _version("0.3.4", "a8635177", SAMPLED_TWICE),
    _version("0.5", "8f142bc3", SAMPLED_ONCE),
    _version("0.6", "e643525c", SAMPLED_ONCE, **{QWEN3: UNTOLD}),
    _version("0.7.2", "cb45ac4d", TIMED, **{QWEN3: THIRD}),
    _version("0.7.3", "75571cfe", TIMED, **{QWEN3: THIRD}),
)
