"""Batching visual inputs as tensors, and merging their tokens with those of the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from vica.chat import IGNORED, PLACEHOLDER_ID
from vica.errors import BudgetError, InputError, counted

PIXELS, HIERA_PIXELS, SIZES = "pixel_values", "hiera_pixel_values", "visual_sizes"
"""The names of a batch's tensors, which a processor returns and a model takes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Visual:
    """A video's frames, or an image's crops: the whole first, then its tiles.

    `hiera_pixels_FCHW` holds the spatial encoder's share of the frames (ViCA2; None for ViCA).
    Both are preprocessed, or uint8, which the model preprocesses on its device: resized grey
    levels for SigLIP, frames of any size for Hiera. `image_size` is the original (height, width)
    of an image, and None for a video; `frame_size` is that of a video's frames before they were
    padded to squares, where that matters.
    """

    pixels_FCHW: Tensor
    hiera_pixels_FCHW: Tensor | None = None
    image_size: tuple[int, int] | None = None
    frame_size: tuple[int, int] | None = None

    @property
    def stated_size(self) -> tuple[int, int]:
        """The image's size, or the frames' as negative numbers; zeros for neither."""
        height, width = self.frame_size or (0, 0)
        return self.image_size or (-height, -width)


def stacked(visuals: Sequence[Visual]) -> dict[str, Any]:
    """The tensors of a batch: all frames and crops concatenated, and how to split them.

    `visual_sizes` is int64 [V, 4]: frames, frames for Hiera, and the image's height and width
    (for a video 0 and 0, or those of its padded frames, negated). Hiera's uint8 frames may differ
    in size, and are then a list with a tensor per visual. Without visuals, the result is empty.
    """
    if not visuals:
        return {}
    sizes = [[len(v.pixels_FCHW), _length(v.hiera_pixels_FCHW), *v.stated_size] for v in visuals]
    tensors = {
        PIXELS: torch.cat([v.pixels_FCHW for v in visuals]),
        SIZES: torch.tensor(sizes, dtype=torch.int64),
    }
    spatial = [v.hiera_pixels_FCHW for v in visuals if v.hiera_pixels_FCHW is not None]
    if not spatial:
        return tensors
    raw = any(one.dtype == torch.uint8 for one in spatial)
    return {**tensors, HIERA_PIXELS: spatial if raw else torch.cat(spatial)}


def split_visuals(tensors: Mapping[str, Any]) -> list[Visual]:
    """Split a batch's tensors into visuals; raises InputError if the sizes do not add up."""
    pixels, hiera, sizes = (tensors.get(name) for name in (PIXELS, HIERA_PIXELS, SIZES))
    if pixels is None or sizes is None:
        if pixels is not None or hiera is not None or sizes is not None:
            raise InputError(
                f"{PIXELS} and {SIZES} belong together: pass all that the processor returned"
            )
        return []
    table: list[list[int]] = sizes.tolist()
    for name, tensor, column in ((PIXELS, pixels, 0), (HIERA_PIXELS, hiera, 1)):
        stated, present = sum(row[column] for row in table), sum(map(_length, _all(tensor)))
        if stated != present:
            raise InputError(f"{SIZES} states {counted(stated, 'entry')}, but {name} has {present}")
    crops = torch.split(pixels, [row[0] for row in table])
    shares = [None] * len(table) if hiera is None else hiera
    if isinstance(hiera, Tensor):
        shares = torch.split(hiera, [row[1] for row in table])
    return [
        Visual(
            pixels_FCHW=crop,
            hiera_pixels_FCHW=share,
            image_size=(row[2], row[3]) if row[2] > 0 else None,
            frame_size=(-row[2], -row[3]) if row[2] < 0 else None,
        )
        for row, crop, share in zip(table, crops, shares, strict=True)
    ]


def _all(tensors: Any) -> Sequence[Tensor | None]:
    """One tensor, or a list of them, as a list."""
    return tensors if isinstance(tensors, list | tuple) else [tensors]


def _length(tensor: Tensor | None) -> int:
    return 0 if tensor is None else len(tensor)


@dataclass(frozen=True, kw_only=True, eq=False)
class Merged:
    """The language model's input.

    `attention_mask_BL` is None if nothing is padded. Positions start at 0 in each sample.
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

    Padding in the ids is dropped first; labels of visual tokens and of padding are ignored. With
    `truncate`, samples longer than `limit` are cut at their end, as in the published training.

    Raises:
        InputError: The number of placeholders is not that of the blocks.
        BudgetError: A sample is longer than `limit`, without `truncate`.
    """
    used_BS = torch.ones_like(ids_BS, dtype=torch.bool)
    if attention_mask_BS is not None:
        used_BS = attention_mask_BS.bool()
    wanted = int(((ids_BS == PLACEHOLDER_ID) & used_BS).sum())
    if wanted != len(blocks_ND):
        visuals = counted(len(blocks_ND), "video or image", "videos or images")
        raise InputError(f"the text has {wanted} <image>, but the input has {visuals}")
    targets_BS = torch.full_like(ids_BS, IGNORED) if labels_BS is None else labels_BS
    queue = iter(blocks_ND)
    samples = [
        _merge_one(embed, ids_S[used_S], targets_S[used_S], queue)
        for ids_S, targets_S, used_S in zip(ids_BS, targets_BS, used_BS, strict=True)
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
    """One sample's embeddings [L, D] and labels [L]; consumes a block per placeholder."""
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
