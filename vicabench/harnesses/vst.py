"""VST: how its own evaluation asks and grades (arXiv 2511.05491).

Source: github Yangr116/vst @842cd77, benchmark/eval_vsibench.py. It grades by the released code of
VSI-Bench, on the raw reply.
"""

from __future__ import annotations

from dataclasses import replace

from vicabench.harnesses import official
from vicabench.harnesses.presets import OTHER, PHRASE, QWEN2_5, Asks, Preset, vsi_wording

PROTOCOL = replace(
    official.PROTOCOL,
    name="vst@842cd77",
    source="VST @842cd77, benchmark/eval_vsibench.py (arXiv 2511.05491)",
)
VERSIONS = {"842cd77": PROTOCOL}


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
