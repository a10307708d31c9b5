"""Which models share the prefill of a video among its questions, and why others do not."""

from __future__ import annotations

from typing import Any

from vica.prefix import why_not

from vicabench.adapters.hf.inputs import Inputs

VERIFIED = frozenset(
    {
        "glm4v",
        "internvl",
        "llava_next_video",
        "llava_onevision",
        "qwen2_5_vl",
        "qwen2_vl",
        "qwen3_5",
        "qwen3_vl",
        "qwen3_vl_moe",
        "smolvlm",
        "video_llama_3",
    }
)
"""Model types whose answers after a shared prefill are tested against whole prompts."""
DECODERS = frozenset({"internlm3", "llama", "mistral", "qwen2", "qwen3", "qwen3_moe"})
"""Model types of language models for which the same is tested, inside another model or not."""
ALONE = (
    "constraints",
    "dola_layers",
    "force_words_ids",
    "guidance_scale",
    "penalty_alpha",
    "prompt_lookup_num_tokens",
    "stop_strings",
    "token_healing",
    "use_mtp",
)
"""Settings of `generate` that apply to one prompt at a time."""


def why_not_shared(model: Any, inputs: Inputs) -> str | None:
    """Why this model cannot share the prefill of a video; None if it can."""
    if not inputs.exact:
        return "its processor changes more of a prompt than the place of the frames"
    kind, decoder = model.config.model_type, model.config.get_text_config().model_type
    for name, known in ((kind, kind in VERIFIED), (decoder, _is_known(decoder, kind))):
        if not known:
            return f"sharing the prefill was never verified for {name}"
    for name in ALONE:
        if getattr(model.generation_config, name, None) not in (None, False, 1, 1.0):
            return f"its generation_config.json sets {name}"
    return why_not(model)


def _is_known(decoder: str, kind: str) -> bool:
    return decoder in DECODERS or decoder == f"{kind}_text"
