"""How the authors of VST (Visual Spatial Tuning) ask it."""

from __future__ import annotations

from vicabench.harnesses.presets import OTHER, PHRASE, QWEN2_5, Asks, Preset, vsi_wording

SOURCE = "github Yangr116/VST @842cd77: benchmark/eval_vsibench.py, benchmark/eval_vsibench.sh"
GENERATION = {
    "max_new_tokens": 256,
    "temperature": 0.1,
    "top_p": 0.001,
    "repetition_penalty": 1.05,
}

PRESETS = (
    Preset(
        name="vst",
        version="842cd77",
        source=SOURCE,
        reading="vst@842cd77",
        wordings=(vsi_wording("vst", SOURCE, numeric=PHRASE),),
        families={
            QWEN2_5: Asks(
                wording="vst",
                fps=4.0,
                frame_rule="qwen",
                frames_as="video",
                system="You are a helpful assistant.",
                min_pixels=16 * 28 * 28,
                total_pixels=8192 * 28 * 28,
                generation=GENERATION,
                short=("the harness runs vLLM, which computes and samples otherwise",),
            ),
            OTHER: Asks(
                wording="vst", fps=4.0, frame_rule="qwen", generation=GENERATION, known=False
            ),
        },
    ),
)
