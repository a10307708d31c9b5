"""How VLMEvalKit asks: its dataset `VSIBench` of 2025, and `VsiBench` since, which EASI uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vicabench.harnesses.presets import (
    CAMBRIAN,
    FLOAT,
    GEMINI,
    INTERNVL,
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

FIRST = "github open-compass/VLMEvalKit @731ca67b: vlmeval/dataset/vsibench.py, vlmeval/vlm"
SOURCE = "github open-compass/VLMEvalKit @e8e78f05: vlmeval/dataset/vsibench.py, vlmeval/vlm"
QWEN_PIXELS: Mapping[str, Any] = {"min_pixels": 1280 * 28 * 28, "max_pixels": 16384 * 28 * 28}
NEARLY_GREEDY: Mapping[str, Any] = {
    "max_new_tokens": 2048,
    "temperature": 0.01,
    "top_p": 0.001,
    "top_k": 1,
    "repetition_penalty": 1.0,
}
"""Of Qwen2VLChat: the single best token is left, so it samples nothing."""
QWEN3_SAMPLING: Mapping[str, Any] = {
    "max_new_tokens": 16384,
    "temperature": 0.7,
    "top_p": 0.8,
    "top_k": 20,
    "repetition_penalty": 1.0,
    "presence_penalty": 1.5,
}
"""Of its Qwen3-VL, in vLLM."""
INTERN_GREEDY: Mapping[str, Any] = {"max_new_tokens": 4096, "temperature": 0.0}
API: Mapping[str, Any] = {"max_new_tokens": 2048, "temperature": 0.0}
JPEG = "frames are not compressed as JPEG, as the harness's image files are"
PORTED = "the harness runs OpenGVLab's code, and this the port in transformers"


def _labelled(name: str, source: str, **how: Any) -> tuple[Any, Any]:
    """A wording without and with a label in front of each frame, as InternVL is given them."""
    plain = vsi_wording(name, source, **how)
    how |= {"frame_label": "Frame-{i}: ", "frame_end": "\n"}
    return plain, vsi_wording(f"{name}-frames", source, **how)


def _first() -> Preset:
    images: Mapping[str, Any] = {"frames": 64, "frame_rule": "inner", "frames_as": "images"}
    return Preset(
        name="vlmevalkit",
        version="VSIBench",
        source=FIRST,
        reading="vlmevalkit@VSIBench",
        wordings=_labelled("vlmevalkit-vsibench", FIRST, numeric=PHRASE),
        families={
            **{
                family: Asks(
                    wording="vlmevalkit-vsibench",
                    generation=NEARLY_GREEDY,
                    short=(JPEG,),
                    **images,
                    **QWEN_PIXELS,
                )
                for family in (QWEN2, QWEN2_5)
            },
            INTERNVL: Asks(
                wording="vlmevalkit-vsibench-frames",
                generation=INTERN_GREEDY,
                short=(JPEG, PORTED),
                **images,
            ),
            OPENAI: Asks(
                wording="vlmevalkit-vsibench",
                frames=64,
                frame_rule="inner",
                generation=API,
                short=("frames are encoded otherwise than the harness does",),
            ),
            OTHER: Asks(wording="vlmevalkit-vsibench", **images, known=False),
        },
    )


VIDEO: Mapping[str, Any] = {"frames": 32, "frame_rule": "qwen", "frames_as": "video"}
IMAGES: Mapping[str, Any] = {"frames": 32, "frame_rule": "tail", "frames_as": "images"}
QWEN_VIDEO = Asks(
    wording="vlmevalkit",
    assume_fps=2.0,
    generation=NEARLY_GREEDY,
    **VIDEO,
    **QWEN_PIXELS,
)
"""Times are not passed on, so it assumes 2 fps."""
FAMILIES: Mapping[str, Asks] = {
    QWEN2: QWEN_VIDEO,
    QWEN2_5: QWEN_VIDEO,
    QWEN3: Asks(
        wording="vlmevalkit",
        min_pixels=128 * 32 * 32,
        max_pixels=768 * 32 * 32,
        generation=QWEN3_SAMPLING,
        **VIDEO,
    ),
    INTERNVL: Asks(
        wording="vlmevalkit-frames", generation=INTERN_GREEDY, short=(JPEG, PORTED), **IMAGES
    ),
    CAMBRIAN: Asks(
        wording="vlmevalkit",
        fps=1.0,
        max_frames=32,
        generation={"max_new_tokens": 2048, "temperature": 0.0},
        short=("a frame has the tokens that the checkpoint states, where the class sets 64",),
    ),
    OPENAI: Asks(
        wording="vlmevalkit",
        frames=32,
        frame_rule="tail",
        generation=API,
        short=("frames are encoded otherwise than the harness does",),
    ),
    GEMINI: Asks(
        wording="vlmevalkit",
        generation=API,
        short=("the service samples the frames of a whole file, and changes over time",),
    ),
    OTHER: Asks(wording="vlmevalkit", short=(JPEG,), **IMAGES, known=False),
}


def vsi_bench(name: str, version: str, source: str, *, reading: str, **families: Asks) -> Preset:
    """The preset of `VsiBench` at 32 frames, for the harnesses that use it."""
    return Preset(
        name=name,
        version=version,
        source=source,
        reading=reading,
        wordings=_labelled("vlmevalkit", SOURCE, numeric=FLOAT, line=""),
        families={**FAMILIES, **families},
    )


PRESETS = (_first(), vsi_bench("vlmevalkit", "VsiBench", SOURCE, reading="vlmevalkit@VsiBench"))
