"""Sizes that a published `config.json` leaves out, read from the shapes of the tensors.

Shapes do not tell everything: not how a width is cut into heads, nor which blocks of Hiera
attend globally. Those come from the published sizes, and where no published size fits, the
config has to say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from math import isqrt

from transformers import PreTrainedConfig

from vica.config import ViCA2Config, ViCAConfig
from vica.errors import CheckpointError
from vica.tensors import Shape
from vica.towers import (
    PUBLISHED_HIERA,
    SIGLIP_HEAD_WIDTH,
    hiera_base_plus,
    siglip,
    siglip_so400m,
)
from vica.wording import counted

SIGLIP = "model.vision_tower."
HIERA = "model.sam_tower."
Shapes = Mapping[str, Shape]
"""By our names."""
_NOTES = {"dtype": None, "transformers_version": None}


def completed(config: ViCAConfig, stated: Mapping[str, object], shapes: Shapes) -> ViCAConfig:
    """A copy of `config` in which what was left open fits the tensors.

    Open is an encoder that is as published by default: neither in the file, whose content is
    `stated`, nor set by the caller. The rows of the vocabulary are always the tensors'.
    Raises CheckpointError naming the field to add where shapes alone do not settle it.
    """
    config = deepcopy(config)
    embeds = shapes.get("model.embed_tokens.weight")
    if embeds:
        config.vocab_size = embeds[0]
    if "vision_config" not in stated and _same(config.siglip, siglip_so400m()):
        _complete_siglip(config, shapes)
    if isinstance(config, ViCA2Config):
        if "hiera_config" not in stated and _same(config.hiera, hiera_base_plus()):
            _complete_hiera(config, shapes)
        if "hiera_stage" not in stated:
            _complete_stage(config, shapes)
    return config


def _complete_siglip(config: ViCAConfig, shapes: Shapes) -> None:
    patch = shapes.get(f"{SIGLIP}embeddings.patch_embedding.weight")
    positions = shapes.get(f"{SIGLIP}embeddings.position_embedding.weight")
    mlp = shapes.get(f"{SIGLIP}encoder.layers.0.mlp.fc1.weight")
    if not (patch and positions and mlp) or patch[0] == config.siglip.hidden_size:
        return
    width, size, side = patch[0], patch[2], isqrt(positions[0])
    if width % SIGLIP_HEAD_WIDTH:
        raise CheckpointError(
            f"SigLIP is {width} wide here, not {siglip_so400m().hidden_size} as published, and "
            "tensors do not tell its number of heads: add vision_config to config.json, with "
            "num_attention_heads and its other sizes"
        )
    config.vision_config = siglip(
        width=width,
        mlp_width=mlp[0],
        layers=_count(shapes, f"{SIGLIP}encoder.layers."),
        heads=width // SIGLIP_HEAD_WIDTH,
        image_size=config.siglip_size if config.siglip_size // size == side else side * size,
        patch_size=size,
    )


def _complete_hiera(config: ViCA2Config, shapes: Shapes) -> None:
    positions = shapes.get(f"{HIERA}pos_embed")
    if not positions:
        return
    found = (positions[1], _count(shapes, f"{HIERA}blocks."))
    for build in PUBLISHED_HIERA.values():
        published = build()
        if (published.hidden_size, sum(published.blocks_per_stage or [])) == found:
            config.hiera_config = published
            return
    raise CheckpointError(
        f"Hiera has width {found[0]} and {counted(found[1], 'block')} here, which is none of the "
        "published "
        f"sizes ({', '.join(PUBLISHED_HIERA)}), and tensors do not tell its heads and windows: "
        "add hiera_config to config.json"
    )


def _complete_stage(config: ViCA2Config, shapes: Shapes) -> None:
    """Each stage has its own width, which is the width of the projector's input."""
    projector = shapes.get("model.sam_projector.0.weight")
    widths = list(config.hiera.embed_dim_per_stage or [])
    if projector and projector[1] in widths:
        config.hiera_stage = widths.index(projector[1]) + 1


def _same(one: PreTrainedConfig, other: PreTrainedConfig) -> bool:
    """Whether two configurations are of one size, whatever else is noted in them."""
    return one.to_diff_dict() | _NOTES == other.to_diff_dict() | _NOTES


def _count(shapes: Shapes, prefix: str) -> int:
    """How many numbered layers there are under a prefix."""
    numbers = {n.removeprefix(prefix).split(".")[0] for n in shapes if n.startswith(prefix)}
    return len(numbers)
