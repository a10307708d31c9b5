"""Text and visual tokens put together: each placeholder is replaced by its block of tokens.

Shapes: B samples, S ids, L positions, N tokens of a block, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from vica.chat import IGNORED, PLACEHOLDER_ID
from vica.errors import BudgetError, InputError
from vica.wording import counted


@dataclass(frozen=True, kw_only=True, eq=False)
class Merged:
    """What the language model is given.

    `attention_mask_BL` is None where nothing is padded. Positions start at 0 in each sample.
    """

    embeds_BLD: Tensor
    attention_mask_BL: Tensor | None
    position_ids_BL: Tensor
    labels_BL: Tensor | None


def merge(
    embed: Callable[[Tensor], Tensor],
    ids_BS: Tensor,
    blocks_ND: Sequence[Tensor],
    *,
    attention_mask_BS: Tensor | None = None,
    labels_BS: Tensor | None = None,
    limit: int,
    truncate: bool = False,
    side: str = "right",
) -> Merged:
    """Replace each placeholder id by the next of `blocks_ND`, and pad the samples to one length.

    Padding in the ids is dropped first; labels of visual tokens and of padding are ignored.
    A sample longer than `limit` is cut at its end if `truncate` (so the published models were
    trained); otherwise it raises BudgetError. Raises InputError unless there are as many
    placeholders as blocks; a sample without a placeholder takes none.
    """
    kept_BS = torch.ones_like(ids_BS, dtype=torch.bool)
    if attention_mask_BS is not None:
        kept_BS = attention_mask_BS.bool()
    wanted = int(((ids_BS == PLACEHOLDER_ID) & kept_BS).sum())
    if wanted != len(blocks_ND):
        raise InputError(f"the text has {wanted} <image>, but {counted(len(blocks_ND), 'visual')}")
    targets_BS = torch.full_like(ids_BS, IGNORED) if labels_BS is None else labels_BS
    queue = iter(blocks_ND)
    samples = [
        _merge_one(embed, ids_S[kept_S], targets_S[kept_S], queue)
        for ids_S, targets_S, kept_S in zip(ids_BS, targets_BS, kept_BS, strict=True)
    ]
    longest = max(len(labels_L) for _, labels_L in samples)
    if longest > limit and not truncate:
        raise BudgetError(
            f"the input has {counted(longest, 'token')}, {longest - limit:,} more than the "
            f"context of {limit:,}: use fewer frames, more pooling or a shorter text"
        )
    merged = _padded([(e[:limit], t[:limit]) for e, t in samples], side)
    return merged if labels_BS is not None else replace(merged, labels_BL=None)


def _merge_one(
    embed: Callable[[Tensor], Tensor], ids_S: Tensor, labels_S: Tensor, blocks: Iterator[Tensor]
) -> tuple[Tensor, Tensor]:
    """One sample's embeddings [L, D] and labels [L]; takes the blocks that it needs."""
    places = (ids_S == PLACEHOLDER_ID).nonzero().flatten().tolist()
    embeds, labels, start = [], [], 0
    for place in [*places, len(ids_S)]:
        embeds.append(embed(ids_S[start:place]))
        labels.append(labels_S[start:place])
        if place < len(ids_S):
            block_ND = next(blocks).to(embeds[-1])
            embeds.append(block_ND)
            labels.append(labels_S.new_full((len(block_ND),), IGNORED))
        start = place + 1
    return torch.cat(embeds), torch.cat(labels)


def _padded(samples: Sequence[tuple[Tensor, Tensor]], side: str) -> Merged:
    """The samples as one batch, with zeros on the `right` or the `left` side."""
    lengths = torch.tensor([len(labels_L) for _, labels_L in samples])
    longest = int(lengths.max())
    gaps = [longest - length for length in lengths.tolist()]
    ends = [(0, gap) if side == "right" else (gap, 0) for gap in gaps]
    device = samples[0][1].device
    steps_BL = torch.arange(longest) - torch.tensor([[before] for before, _ in ends])
    mask_BL = (steps_BL >= 0) & (steps_BL < lengths[:, None])
    return Merged(
        embeds_BLD=torch.stack(
            [pad(e_LD, (0, 0, *end)) for (e_LD, _), end in zip(samples, ends, strict=True)]
        ),
        attention_mask_BL=mask_BL.to(device) if any(gaps) else None,
        position_ids_BL=steps_BL.clamp(min=0).masked_fill(~mask_BL, 0).to(device),
        labels_BL=torch.stack(
            [pad(t_L, end, value=IGNORED) for (_, t_L), end in zip(samples, ends, strict=True)]
        ),
    )
