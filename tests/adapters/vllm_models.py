"""Tiny random Qwen-VL in shapes that vLLM takes on a CPU."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import transformers as hf

from tests.hf_models import KINDS, TEXT, qwen_ids, write_model

WIDE = {**TEXT, "hidden_size": 128, "intermediate_size": 96}  # four heads of 32
MROPE = {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 10_000.0}
SEEN: dict[str, Any] = {
    "depth": 2, "hidden_size": 64, "num_heads": 2, "intermediate_size": 48, "out_hidden_size": 128,
}  # fmt: skip
# vLLM reads from these what it does to pixels on the device.
STATED = {
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}

SIZE = {"shortest_edge": 28 * 28, "longest_edge": 448 * 336 * 16}
"""Large enough for a block of vLLM's cache in a few frames."""


def qwen2_5_vl(ids: Mapping[str, int]) -> Any:
    vision = {**SEEN, "window_size": 28, "fullatt_block_indexes": [1], "tokens_per_second": 2}
    text = {**WIDE, "rope_parameters": MROPE}
    return hf.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **qwen_ids(ids))


def qwen3_vl(ids: Mapping[str, int]) -> Any:
    vision = {**SEEN, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]}
    text = {**WIDE, "head_dim": 32, "rope_parameters": {**MROPE, "mrope_interleaved": True}}
    return hf.Qwen3VLConfig(text_config=text, vision_config=vision, **qwen_ids(ids))


CONFIGS: dict[str, Callable[[Mapping[str, int]], Any]] = {
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
}


def write_vllm_model(folder: Path, name: str) -> Path:
    """Write a tiny random model to a folder; return it."""
    kind = KINDS[name]
    files = {
        file: {**content, **STATED, "size": SIZE} if "preprocessor" in file else content
        for file, content in kind.files.items()
    }
    return write_model(folder, replace(kind, config=CONFIGS[name], files=files))
