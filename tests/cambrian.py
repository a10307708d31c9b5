"""A tiny Cambrian-S checkpoint in the original layout, with ViCA's golden weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.llava import write_llava

OTHERS = (
    "mm_vision_tower", "mm_spatial_pool_mode", "mm_spatial_pool_stride", "image_grid_pinpoints",
    "add_faster_video", "vision_tower_pretrained", "mm_resampler_type",
)  # fmt: skip
"""Fields of LLaVA that Cambrian-S does not state."""


def write_cambrian(folder: Path, **changes: Any) -> Path:
    """Write the checkpoint of `goldens/cambrian.npz`; return its folder."""
    write_llava(folder, "onevision")
    stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    width = stated["hidden_size"]
    stated = {name: value for name, value in stated.items() if name not in OTHERS} | {
        "model_type": "cambrian_qwen",
        "architectures": ["CambrianQwenForCausalLM"],
        "mm_vision_tower_aux_list": ["google/siglip2-so400m-patch14-384"],
        "mm_vision_tower_aux_token_len_list": [729],
        "miv_token_len": 64,
        "si_token_len": 729,
        "image_aspect_ratio": "pad",
        "mm_patch_merge_type": "flat",
        "nfp_head": True,
    }
    (folder / "config.json").write_text(json.dumps(stated | changes), encoding="utf-8")
    weights = {
        name.replace("model.vision_tower.", "model.vision_tower_aux_list.0."): tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    for part, rows in (("0", width), ("2", stated["mm_hidden_size"])):
        weights[f"model.nfp_head.{part}.weight"] = torch.zeros(rows, width)
        weights[f"model.nfp_head.{part}.bias"] = torch.zeros(rows)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
