"""Attention over packs in two parts, so that no mask of all pairs is needed.

The tokens of the shared prefix see each other alone: plain causal attention, which has fused
kernels. The few tokens of the conversations see the whole prefix and, of the rest, their own: for
them alone there is a mask.

Shapes: B packs, L positions, P of them the prefix, H heads, J key heads, E the width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from vica.attention import sdpa
from vica.segments import PREFIX, visible

SHARED_PREFIX = "shared_prefix"


@dataclass(frozen=True, kw_only=True, eq=False)
class PrefixMask:
    """For each pack how long its prefix is, and bool [L - P, L]: what the tokens behind it see."""

    prefixes: Sequence[int]
    visible: Sequence[Tensor]

    @classmethod
    def of(cls, segments_BL: Tensor) -> PrefixMask:
        """That of packs with these segments (`vica.segments`)."""
        prefixes = (segments_BL == PREFIX).sum(-1).tolist()
        rows = zip(segments_BL, prefixes, strict=True)
        return cls(prefixes=prefixes, visible=[visible(row_L, start=n) for row_L, n in rows])


def shared_prefix_attention(
    module: nn.Module,
    query_BHLE: Tensor,
    key_BJLE: Tensor,
    value_BJLE: Tensor,
    attention_mask: PrefixMask | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """What `transformers` calls in a layer: values [B, L, H, E].

    Without a mask nothing is packed, and it is plain causal attention.
    """
    qkv = (query_BHLE, key_BJLE, value_BJLE)
    if attention_mask is None:
        return sdpa(module, *qkv, None, **options)
    prefixes, seen = attention_mask.prefixes, attention_mask.visible
    packs = zip(zip(*(one.split(1) for one in qkv), strict=True), prefixes, seen, strict=True)
    return torch.cat([_of_a_pack(module, *pack, **options) for pack in packs]), None


def _of_a_pack(
    module: nn.Module,
    qkv: tuple[Tensor, Tensor, Tensor],
    prefix: int,
    visible_OL: Tensor,
    **options: Any,
) -> Tensor:
    """[1, L, H, E] from [1, ., L, E], each part where it has any tokens."""
    query, key, value = qkv
    parts = []
    if prefix:
        shared = (query[:, :, :prefix], key[:, :, :prefix], value[:, :, :prefix], None)
        parts.append(sdpa(module, *shared, **options)[0])
    if len(visible_OL):
        own = (query[:, :, prefix:], key, value, visible_OL[None, None])
        parts.append(sdpa(module, *own, **options)[0])
    return torch.cat(parts, dim=1)


AttentionInterface.register(SHARED_PREFIX, shared_prefix_attention)
