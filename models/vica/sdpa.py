"""PyTorch's attention for our language models, called so that a fused kernel takes it.

On CUDA no fused kernel takes float32 where several queries share a key head: what is left writes
out the scores of all pairs, 140 GiB for ViCA2 at 64 frames. With a copy of the keys and values for
each query head the memory-efficient kernel takes it: 39 GiB, most of it the weights.

Shapes: B samples, L positions, H heads, J key heads, E the width of a head.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from vica.config import ViCAConfig
from vica.errors import BudgetError
from vica.wording import counted

SDPA, EAGER = "sdpa", "eager"
HALF = (torch.bfloat16, torch.float16)
MOST_SCORES = 2**32
"""Scores of a layer that `eager` may write out: 16 GiB in float32, held twice."""


def sdpa(
    module: nn.Module,
    query_BHLE: Tensor,
    key_BJLE: Tensor,
    value_BJLE: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """What `transformers` calls in a layer: values [B, L, H, E]. Other models' are left alone."""
    shared = query_BHLE.shape[1] // key_BJLE.shape[1]
    ours = isinstance(getattr(module, "config", None), ViCAConfig)
    if ours and shared > 1 and _dtype(query_BHLE) not in HALF:
        key_BJLE, value_BJLE = (x.repeat_interleave(shared, 1) for x in (key_BJLE, value_BJLE))
        # Without the number of groups, which asks for a kernel that knows of them.
        module = cast(nn.Module, SimpleNamespace(is_causal=getattr(module, "is_causal", True)))
    values, _ = sdpa_attention_forward(
        module, query_BHLE, key_BJLE, value_BJLE, attention_mask, **options
    )
    return values, None


def check_scores(config: ViCAConfig, samples: int, length: int) -> None:
    """Raise BudgetError where `eager` would write out more scores than there is memory for."""
    scores = samples * config.num_attention_heads * length**2
    if config._attn_implementation == EAGER and scores > MOST_SCORES:
        raise BudgetError(
            f"eager attention writes out the scores of all pairs of {counted(length, 'token')}, "
            f"{4 * scores / 2**30:.0f} GiB a layer: load the model with attention='{SDPA}', or use "
            "fewer frames"
        )


def _dtype(tensor: Tensor) -> torch.dtype:
    """What it is computed in."""
    kind = tensor.device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return tensor.dtype  # on the meta device, too
    return torch.get_autocast_dtype(kind)


AttentionInterface.register(SDPA, sdpa)
