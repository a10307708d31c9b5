"""The published sizes, and a tiny one, as functions that return a configuration."""

from __future__ import annotations

from typing import Any

from vica.config import ViCA2Config, ViCAConfig
from vica.towers import hiera, siglip


def vica_7b(**changes: Any) -> ViCAConfig:
    """ViCA-7B as published: SigLIP so400m and Qwen2-7B."""
    return ViCAConfig(**(_qwen2_7b() | changes))


def vica2_7b(**changes: Any) -> ViCA2Config:
    """ViCA2-7B as published: with SAM 2.1 Hiera base-plus."""
    return ViCA2Config(**(_qwen2_7b() | changes))


def vica_tiny(**changes: Any) -> ViCAConfig:
    """A ViCA of about a hundred thousand parameters, for tests and for toy scenes on a CPU."""
    return ViCAConfig(**(_tiny() | changes))


def vica2_tiny(**changes: Any) -> ViCA2Config:
    """A ViCA2 of about two hundred thousand parameters: all parts of the large one, in small."""
    spatial = hiera(
        width=8,
        heads=1,
        blocks=(1, 1, 2, 1),
        globals_=(3,),
        window=(8, 4, 8, 4),
        grid=7,
        image_size=256,
    )
    return ViCA2Config(**(_tiny() | {"hiera_config": spatial} | changes))


def vica2_rooms(**changes: Any) -> ViCA2Config:
    """A ViCA2 of 1.8 million parameters that learns toy scenes on a CPU.

    It sees 12 frames: 48 pixels and 3 x 3 tokens each by SigLIP, every second one with 64 pixels
    and 2 x 2 tokens by Hiera.
    """
    spatial = hiera(
        width=16,
        heads=1,
        blocks=(1, 1, 2, 1),
        globals_=(3,),
        window=(8, 4, 4, 2),
        grid=4,
        image_size=64,
    )
    sizes: dict[str, Any] = {
        "hidden_size": 128,
        "intermediate_size": 320,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "rope_theta": 1000000.0,
        "max_position_embeddings": 2048,
        "tokenizer_model_max_length": 2048,
        "video_frames": 12,
        "hiera_frames": 6,
        "hiera_pool_stride": 1,
        "vision_config": siglip(
            width=96, mlp_width=240, layers=2, heads=4, image_size=48, patch_size=8
        ),
        "hiera_config": spatial,
    }
    return ViCA2Config(**(sizes | changes))


SIZES = {"7b": (vica_7b, vica2_7b), "tiny": (vica_tiny, vica2_tiny)}
"""By name: the functions for ViCA and for ViCA2."""


def _qwen2_7b() -> dict[str, Any]:
    """Qwen2-7B; its tokenizer knows 151,646 ids, the published embeddings have 152,064 rows."""
    return {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "max_position_embeddings": 32768,
        "rope_theta": 1000000.0,
        "rms_norm_eps": 1e-6,
        "sliding_window": 131072,
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "tokenizer_length": 151646,
        "mm_vision_tower": "google/siglip-so400m-patch14-384",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
    }


def _tiny() -> dict[str, Any]:
    return {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
        "rope_theta": 1000000.0,
        "vision_config": siglip(
            width=32, mlp_width=64, layers=2, heads=4, image_size=112, patch_size=14
        ),
    }
