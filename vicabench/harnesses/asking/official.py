"""How the harness of the benchmark's authors asks, for the models of the paper."""

from __future__ import annotations

from vicabench.harnesses.presets import (
    GEMINI,
    INTERNVL,
    LLAVA,
    LLAVA_OV,
    LLAVA_VIDEO,
    NUMBER_ALONE,
    OPENAI,
    OTHER,
    PHRASE,
    Asks,
    Preset,
    vsi_wording,
)

SOURCE = (
    "github vision-x-nyu/thinking-in-space @51e089c: lmms_eval/tasks/vsibench, lmms_eval/models, "
    "evaluate_all_in_one.sh"
)
GREEDY = {"max_new_tokens": 16, "temperature": 0.0, "top_p": 1.0, "num_beams": 1}
PORTED = "the harness runs the original LLaVA code in float16, and this the port in transformers"
POOLED = (
    "frames are pooled as the checkpoint states, where the harness sets it for LLaVA-NeXT-Video"
)

WORDINGS = (
    vsi_wording("official", SOURCE, numeric=PHRASE),
    vsi_wording(
        "official-frames", SOURCE, numeric=PHRASE, frame_label="Frame{i}: ", frame_end="\n"
    ),
    vsi_wording("official-numbers", SOURCE, numeric=NUMBER_ALONE),
    vsi_wording("official-gpt", SOURCE, numeric=NUMBER_ALONE, before_frames=True),
)

PRESETS = (
    Preset(
        name="official",
        version="51e089c",
        source=SOURCE,
        reading="official@51e089c",
        wordings=WORDINGS,
        families={
            LLAVA: Asks(
                wording="official",
                frames=32,
                frame_rule="lin",
                generation=GREEDY,
                short=(POOLED,),
            ),
            LLAVA_OV: Asks(
                wording="official",
                frames=32,
                frame_rule="lin",
                frames_as="video",
                system="You are a helpful assistant.",
                generation=GREEDY,
                short=(PORTED,),
            ),
            LLAVA_VIDEO: Asks(
                wording="official",
                frames=32,
                frame_rule="lin",
                frames_as="video",
                generation=GREEDY,
                short=(
                    PORTED,
                    "the paper's LLaVA-NeXT-Video on Qwen2 has another vision tower and projector",
                ),
            ),
            INTERNVL: Asks(
                wording="official-frames",
                frames=8,
                frame_rule="seg",
                frames_as="images",
                generation=GREEDY,
                short=(
                    "the harness runs OpenGVLab's code, and this the port in transformers, whose "
                    "chat template may have another system prompt",
                ),
            ),
            OPENAI: Asks(
                wording="official-gpt",
                frames=16,
                frame_rule="tail",
                generation={"max_new_tokens": 16, "temperature": 0.0},
                short=("frames are JPEG of bounded size, in the harness PNG of full size",),
            ),
            GEMINI: Asks(
                wording="official-numbers",
                generation={"max_new_tokens": 8192, "temperature": 0.0, "top_p": 1.0, "top_k": 1},
                short=("the service samples the frames of a whole file, and changes over time",),
            ),
            OTHER: Asks(
                wording="official",
                frames=32,
                frame_rule="lin",
                generation=GREEDY,
                known=False,
            ),
        },
    ),
)
