"""Other families of the layout of ViCA: what their `config.json` means in ours."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Any

from vica.budget import BILINEAR, GRID, ONE_TOKEN
from vica.errors import CheckpointError
from vica.hub import CAMBRIAN, is_llava

OURS = "video_frames"
"""A field that only files written here have; all their fields are used as stated."""
STATED_AS = {"LLaVA": "llava", "Cambrian-S": CAMBRIAN}
"""The `model_type` that a lineage states."""
CAMBRIAN_TOKENS = 64
"""Tokens of a frame in the published evaluation of Cambrian-S."""
UNUSED = "model.nfp_head."
"""The beginning of the names of Cambrian-S's weights that predict the next frame, not words."""


def restated(stated: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a `config.json` with our names and the original code's defaults.

    The content of ViCA's files is returned as it is, but for a missing place of newlines; ViCA2's
    has to be stated.

    Raises:
        CheckpointError: Cambrian-S's encoder or number of tokens is not supported.
    """
    if stated.get("mm_spatial_pool_stride", 0) is None:  # as in a file that states all arguments
        stated = {key: value for key, value in stated.items() if key != "mm_spatial_pool_stride"}
    if stated.get("model_type") == CAMBRIAN:
        return _of_cambrian(stated)
    as_stated = OURS in stated or stated.get("model_type") == "vica_qwen"
    known = {**({} if as_stated else {"mm_newline_position": ONE_TOKEN}), **stated}
    return known | {"lineage": "LLaVA", "model_type": "llava_qwen"} if is_llava(stated) else known


def _of_cambrian(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Cambrian-S pads frames to squares, and shrinks their maps to a number of tokens."""
    towers, tokens = stated.get("mm_vision_tower_aux_list"), stated.get("miv_token_len")
    tokens = CAMBRIAN_TOKENS if tokens is None else tokens
    if not isinstance(towers, list) or len(towers) != 1 or "google/siglip" not in str(towers[0]):
        raise CheckpointError(
            f"mm_vision_tower_aux_list is {towers!r}; only one of google's SigLIP is supported"
        )
    if type(tokens) is not int or tokens < 1 or isqrt(tokens) ** 2 != tokens:
        raise CheckpointError(f"miv_token_len is {tokens!r}; only a square number is supported")
    return {
        **stated,
        "model_type": "llava_qwen",
        "lineage": "Cambrian-S",
        "mm_vision_tower": towers[0],
        "mm_newline_position": GRID,
        "mm_patch_merge_type": "spatial_unpad",
        "mm_spatial_pool_mode": BILINEAR,
        "video_side": isqrt(tokens),
        "square_frames": True,
        "image_aspect_ratio": "anyres_max_9",  # of images, which are not read
    }
