"""The golden checkpoints and the original code's numbers for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig
from vica.config import ViCAConfig, hiera, siglip
from vica.merging import Visual
from vica.modeling import MODELS, ViCA
from vica.preprocessing import siglip_pixels
from vica.processing import ViCAProcessor

GOLDENS = Path(__file__).parent.parent / "goldens"
FAMILIES = {"vica": "llava_qwen", "vica2": "vica_qwen"}
FEATURES, LOGITS = 5e-5, 1e-4
"""Tolerances, absolute: values are up to 22, logits about 3; differences measured are a tenth."""


def hiera_config(stated: dict[str, Any]) -> Sam2HieraDetConfig:
    return hiera(
        width=stated["embed_dim"],
        heads=stated["num_heads"],
        blocks=stated["stages"],
        globals_=stated["global_att_blocks"],
        window=stated["window_spec"],
    )


def towers(family: str) -> dict[str, Any]:
    """The encoder configurations that the original's config.json does not state."""
    stated = json.loads((GOLDENS / f"tiny-{family}" / "towers.json").read_text())
    sizes = stated["siglip"]
    configs: dict[str, Any] = {
        "vision_config": siglip(
            width=sizes["hidden_size"],
            mlp_width=sizes["intermediate_size"],
            layers=sizes["num_hidden_layers_in_checkpoint"],
            heads=sizes["num_attention_heads"],
            image_size=sizes["image_size"],
            patch_size=sizes["patch_size"],
        )
    }
    if "hiera" in stated:
        configs["hiera_config"] = hiera_config(stated["hiera"])
    return configs


class Golden:
    """A golden checkpoint, loaded, with the original's numbers."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.folder = GOLDENS / f"tiny-{family}"
        model_class = MODELS[FAMILIES[family]]
        config = model_class.config_class.from_pretrained(self.folder, **towers(family))
        self.model: ViCA = model_class.from_pretrained(self.folder, config=config)
        self.config: ViCAConfig = self.model.config
        self.processor = ViCAProcessor.from_pretrained(self.folder, config=config)
        with np.load(GOLDENS / f"{family}.npz") as fields:
            self.fields: dict[str, NDArray[Any]] = dict(fields)

    def prompt(self, case: str) -> str:
        kind = "video" if case.startswith("video") else "image"
        return str(self.fields[f"prompt_{kind}"])

    def frames(self, count: int) -> NDArray[np.uint8]:
        return self.fields["frames"][:count]

    def visual(self, case: str) -> Visual:
        """The video or image of a case, preprocessed."""
        if case.startswith("video"):
            return self.processor.video(self.frames(int(case.removeprefix("video"))))
        picture = self.fields["image_pixels"]
        if case == "image_anyres_big":
            picture = np.random.default_rng(99).integers(0, 256, (1100, 1500, 3), dtype=np.uint8)
        visual = self.processor.image(picture)
        if case != "image_plain":
            return visual
        whole = siglip_pixels([Image.fromarray(picture)], 384)
        return Visual(
            pixels_FCHW=whole,
            hiera_pixels_FCHW=visual.hiera_pixels_FCHW,
            image_size=visual.image_size,
        )

    def ids(self, case: str) -> torch.Tensor:
        return torch.from_numpy(self.fields[f"{case}__input_ids"])

    def far(self, case: str, field: str, ours: torch.Tensor | NDArray[Any]) -> float:
        """The largest difference from the original's values; shapes must be equal."""
        theirs = self.fields[f"{case}__{field}"]
        values = ours.detach().numpy() if isinstance(ours, torch.Tensor) else ours
        assert values.shape == theirs.shape
        return float(np.abs(values - theirs).max())
