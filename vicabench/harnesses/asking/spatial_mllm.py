"""How the authors of Spatial-MLLM ask it, and Qwen2.5-VL beside it."""

from __future__ import annotations

from vicabench.harnesses.presets import (
    OTHER,
    PHRASE,
    QWEN2_5,
    QWEN_VIDEO_PIXELS,
    Asks,
    Preset,
    vsi_wording,
)

SOURCE = (
    "github diankun-wu/Spatial-MLLM @9fc4738: src/evaluation/vsibench/eval_vsibench.py, "
    "scripts/evaluation/evaluate_vsibench_spatial_mllm.sh"
)
GENERATION = {"max_new_tokens": 1024, "temperature": 0.1, "top_p": 0.001}
"""A top_p of 0.001 leaves the best token alone."""

PRESETS = (
    Preset(
        name="spatial-mllm",
        version="9fc4738",
        source=SOURCE,
        reading="spatial-mllm@9fc4738",
        wordings=(vsi_wording("spatial-mllm", SOURCE, numeric=PHRASE, opening=""),),
        families={
            QWEN2_5: Asks(
                wording="spatial-mllm",
                frames=16,
                frame_rule="qwen",
                frames_as="video",
                assume_fps=2.0,
                generation=GENERATION,
                **QWEN_VIDEO_PIXELS,
            ),
            OTHER: Asks(
                wording="spatial-mllm",
                frames=16,
                frame_rule="qwen",
                generation=GENERATION,
                known=False,
            ),
        },
    ),
)
