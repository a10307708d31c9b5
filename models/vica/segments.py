"""Positions and visibility of one prefix and many continuations in one sequence.

Every token carries a segment id. The shared prefix (a video and the text around it) is segment
0, continuation k (a question, a conversation) is segment k, padding is -1. A token sees the tokens
before it in segment 0 and in its own segment, so each continuation computes exactly what it would
compute alone after the prefix.

Shapes: L tokens, K continuations; a leading ... is any number of batch dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

PREFIX, PADDING = 0, -1


def segment_ids(prefix: int, continuations: Sequence[int], padding: int = 0) -> Tensor:
    """Segment ids, int64 [L], of a prefix, continuations of these lengths, then padding."""
    ids = torch.arange(PREFIX, len(continuations) + 1)
    lengths = torch.tensor([prefix, *continuations])
    each_L = ids.repeat_interleave(lengths, output_size=prefix + sum(continuations))
    return torch.cat([each_L, torch.full((padding,), PADDING)])


def positions(segments_L: Tensor) -> Tensor:
    """The position of each token, int64 [..., L]: how many earlier tokens it sees.

    `segments_L` is int64 [..., L] with the prefix first and each segment contiguous, as from
    `segment_ids`. Each continuation's positions start where the prefix ends. Padding gets 0.
    """
    index_L = torch.arange(segments_L.shape[-1], device=segments_L.device).expand_as(segments_L)
    starts_L = torch.ones_like(segments_L, dtype=torch.bool)
    starts_L[..., 1:] = segments_L[..., 1:] != segments_L[..., :-1]
    since_L = index_L - torch.where(starts_L, index_L, 0).cummax(-1).values
    prefix = (segments_L == PREFIX).sum(-1, keepdim=True)
    placed_L = since_L + torch.where(segments_L > PREFIX, prefix, 0)
    return placed_L.masked_fill(segments_L == PADDING, 0)


def visible(segments_L: Tensor, *, start: int = 0) -> Tensor:
    """Whether the token of a row sees the token of a column: bool [..., L - start, L], for SDPA.

    The rows are the tokens from `start` on. Padding sees only padding, so that its softmax has
    keys, and only padding sees it.
    """
    index_L = torch.arange(segments_L.shape[-1], device=segments_L.device)
    query, key = segments_L[..., start:, None], segments_L[..., None, :]
    return (index_L[start:, None] >= index_L) & _related(query, key)


def block_mask(segments_BL: Tensor, *, block: int = 128) -> BlockMask:
    """`visible` for FlexAttention, which skips blocks without visible tokens.

    Building the mask temporarily takes L x L bytes.
    """
    samples, length = segments_BL.shape

    def sees(sample: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & _related(segments_BL[sample, query], segments_BL[sample, key])

    return create_block_mask(
        sees, samples, None, length, length, device=str(segments_BL.device), BLOCK_SIZE=block
    )


def _related(query: Tensor, key: Tensor) -> Tensor:
    """Whether segment `query` may see segment `key` at all."""
    return (query == key) | ((key == PREFIX) & (query > PREFIX))
