"""Tiny LLaVA checkpoints in the original layout: ViCA's golden weights under LLaVA's settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

GOLDENS = Path(__file__).parent / "goldens"
CONFIGS: dict[str, dict[str, Any]] = {
    "llava_video": {"mm_newline_position": "grid", "mm_spatial_pool_mode": "average"},
    "onevision": {"mm_spatial_pool_mode": "bilinear"},
    "frame": {"mm_newline_position": "frame", "mm_spatial_pool_mode": "max"},
    "no_token": {"mm_newline_position": "no_token", "mm_spatial_pool_mode": "bilinear"},
}
"""What the cases of `goldens/llava.npz` state; OneVision leaves out where the newline is."""


def write_llava(folder: Path, name: str, **changes: Any) -> Path:
    """Write the checkpoint of a case of the goldens; return its folder.

    The original code has its encoder's sizes built in; the tiny ones are stated here.
    """
    source = GOLDENS / "tiny-vica"
    shutil.copytree(source, folder)
    sizes = json.loads((folder / "towers.json").read_text(encoding="utf-8"))["siglip"]
    stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del stated["mm_newline_position"]
    vision = {
        "hidden_size": sizes["hidden_size"],
        "intermediate_size": sizes["intermediate_size"],
        "num_hidden_layers": sizes["num_hidden_layers_in_checkpoint"],
        "num_attention_heads": sizes["num_attention_heads"],
        "image_size": sizes["image_size"],
        "patch_size": sizes["patch_size"],
        "hidden_act": sizes["hidden_act"],
        "layer_norm_eps": sizes["layer_norm_eps"],
        "vision_use_head": False,
    }
    stated |= {"model_type": "llava", "vision_config": vision} | CONFIGS[name] | changes
    (folder / "config.json").write_text(json.dumps(stated), encoding="utf-8")
    return folder
