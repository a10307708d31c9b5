"""Positions of the text behind a video: after the video's last moment, as Qwen's models learnt it.

transformers 5 places it after the width of a frame (`get_rope_index`), which its release 4, Qwen's
own code and vLLM do not: the text then has the positions of the video's first moments, unless a
video is shorter than a frame is wide. A video in which every moment is a separate block, as
Qwen3-VL's, has the same positions either way.

Shapes: B prompts, L tokens.
"""

from __future__ import annotations

from functools import wraps
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

TYPES = ("qwen2_vl", "qwen2_5_vl")
"""The models whose videos are one block of several moments."""
SAID = "text after the last moment of a video"


def correct(model: Any) -> bool:
    """Correct the positions that a loaded model computes; returns whether there was a need."""
    base = model.base_model
    if model.config.model_type not in TYPES:
        return False
    own = base.get_rope_index

    @wraps(own)
    def get_rope_index(*given: Any, **named: Any) -> tuple[Tensor, Tensor]:
        places_3BL, deltas_B1 = own(*given, **named)
        types_BL = named["mm_token_type_ids"] if "mm_token_type_ids" in named else given[1]
        mask_BL = named.get("attention_mask")
        deltas = [
            _moved(places_3BL[:, row], types_BL[row], None if mask_BL is None else mask_BL[row])
            for row in range(len(types_BL))
        ]
        return places_3BL, torch.tensor(deltas).to(deltas_B1)[:, None]

    base.get_rope_index = get_rope_index
    return True


def _moved(places_3L: Tensor, types_L: Tensor, mask_L: Tensor | None) -> int:
    """Move what stands behind each block of pictures after it, in place.

    Returns:
        How far the position of the first token of a reply is from the number of tokens before it.
    """
    kept = torch.arange(len(types_L), device=types_L.device)
    kept = kept if mask_L is None else kept[mask_L.bool()]
    moved = start = 0
    for kind, group in groupby(types_L[kept].tolist()):
        end = start + len(list(group))
        block = kept[start:end]
        places_3L[:, block] += moved
        if kind and end < len(kept):
            behind = int(places_3L[0, kept[end]]) + moved
            moved += max(0, int(places_3L[:, block].max()) + 1 - behind)
        start = end
    return int(places_3L[:, kept].max()) + 1 - len(kept)
