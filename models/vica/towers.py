"""The published vision encoders as configurations of transformers' own classes."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import SiglipVisionConfig
from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig

SIGLIP_HEAD_WIDTH = 72
"""Of SigLIP so400m; a checkpoint's tensors do not tell how they are cut into heads."""


def siglip_so400m() -> SiglipVisionConfig:
    """SigLIP so400m patch14 384 without its 27th layer, which the published models leave out."""
    return siglip(width=1152, mlp_width=4304, layers=26, heads=16, image_size=384, patch_size=14)


def siglip(
    *, width: int, mlp_width: int, layers: int, heads: int, image_size: int, patch_size: int
) -> SiglipVisionConfig:
    """A SigLIP vision encoder without a pooling head."""
    return SiglipVisionConfig(
        hidden_size=width,
        intermediate_size=mlp_width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=image_size,
        patch_size=patch_size,
        hidden_act="gelu_pytorch_tanh",
        layer_norm_eps=1e-6,
        vision_use_head=False,
    )


def hiera_tiny() -> Sam2HieraDetConfig:
    """SAM 2.1 Hiera tiny."""
    return hiera(
        width=96, heads=1, blocks=(1, 2, 7, 2), globals_=(5, 7, 9), window=(8, 4, 14, 7), grid=7
    )


def hiera_small() -> Sam2HieraDetConfig:
    """SAM 2.1 Hiera small."""
    return hiera(
        width=96, heads=1, blocks=(1, 2, 11, 2), globals_=(7, 10, 13), window=(8, 4, 14, 7), grid=7
    )


def hiera_base_plus() -> Sam2HieraDetConfig:
    """SAM 2.1 Hiera base-plus, the encoder of the published ViCA2 models."""
    return hiera(
        width=112, heads=2, blocks=(2, 3, 16, 3), globals_=(12, 16, 20), window=(8, 4, 14, 7)
    )


def hiera_large() -> Sam2HieraDetConfig:
    """SAM 2.1 Hiera large."""
    return hiera(
        width=144,
        heads=2,
        blocks=(2, 6, 36, 4),
        globals_=(23, 33, 43),
        window=(8, 4, 16, 8),
        grid=7,
    )


def hiera(
    *,
    width: int,
    heads: int,
    blocks: Sequence[int],
    globals_: Sequence[int],
    window: Sequence[int],
    grid: int = 14,
    image_size: int = 1024,
) -> Sam2HieraDetConfig:
    """A Hiera that doubles its width and heads, and halves its map, at each of its four stages.

    `blocks` and `window` are per stage, `globals_` the blocks that attend globally, `grid` the
    side of the position embedding's background map.
    """
    return Sam2HieraDetConfig(
        hidden_size=width,
        num_attention_heads=heads,
        blocks_per_stage=list(blocks),
        embed_dim_per_stage=[width << stage for stage in range(len(blocks))],
        num_attention_heads_per_stage=[heads << stage for stage in range(len(blocks))],
        window_size_per_stage=list(window),
        global_attention_blocks=list(globals_),
        window_positional_embedding_background_size=[grid, grid],
        image_size=[image_size, image_size],
    )


PUBLISHED_HIERA = {
    "tiny": hiera_tiny,
    "small": hiera_small,
    "base-plus": hiera_base_plus,
    "large": hiera_large,
}
