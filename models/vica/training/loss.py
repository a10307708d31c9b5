"""The forward pass of packs, with attention and loss equal to the conversations' one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import pad
from transformers import AttentionInterface

from vica.attention import sdpa
from vica.chat import PLACEHOLDER_ID
from vica.config import ViCA2Config, ViCAConfig
from vica.errors import TrainingError
from vica.merging import HIERA_PIXELS, PIXELS, SIZES, Visual, split_visuals
from vica.modeling import ViCA
from vica.segments import PADDING, PREFIX, block_mask, positions, visible
from vica.towers import ViCA2Model, ViCAModel
from vica.training.config import Batch, Hardware

FLASH, SDPA = "flash_attention_2", "sdpa"


def attention_of(hardware: Hardware, batch: Batch, device: torch.device) -> str:
    """The attention implementation that computes the packs.

    `auto` chooses `shared_prefix` for packs of several conversations: it uses PyTorch's kernels,
    whereas FlexAttention compiles one, and SDPA with a mask of all pairs of positions takes
    several times as long. FlashAttention has no masks and no fp32, so it is for packs of one.

    Raises:
        TrainingError: The configured attention cannot compute these packs.
    """
    packed, on_cpu = batch.pack > 1, device.type == "cpu"
    flash = not (packed or on_cpu or hardware.precision == "fp32")
    if hardware.attention == "auto":
        if packed:
            return SHARED_PREFIX
        return FLASH if flash and find_spec("flash_attn") is not None else SDPA
    # On a CPU FlexAttention has no backward pass.
    known = [SHARED_PREFIX, SDPA, *([] if on_cpu else [FLEX]), *([FLASH] if flash else [])]
    if hardware.attention not in known:
        raise TrainingError(
            f"hardware.attention={hardware.attention} cannot compute packs of {batch.pack} on "
            f"{device.type} in {hardware.precision}: choose {', '.join(known)} or auto"
        )
    return hardware.attention


SHARED_PREFIX = "shared_prefix"


@dataclass(frozen=True, kw_only=True, eq=False)
class PrefixMask:
    """Each pack's prefix length P, and which tokens those after it see: bool [L - P, L]."""

    prefixes: Sequence[int]
    visible: Sequence[Tensor]

    @classmethod
    def of(cls, segments_BL: Tensor) -> PrefixMask:
        """The mask of packs with these segments (`vica.segments`)."""
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
    """The attention function that transformers calls in a layer; returns values [B, L, H, E].

    Without a mask, nothing is packed, and this is plain causal attention.
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
    """Attend in one pack: [1, L, H, E] from [1, ., L, E]; skips parts without tokens."""
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


FLEX = "flex_attention"
BLOCK = 128
"""The block size of FlexAttention, in positions."""


class PackLoss(nn.Module):
    """A model together with its loss, so that distributed wrappers include both.

    `in_step` is for ZeRO-3, whose processes wait for each other at every module call: it makes
    all of them call the same modules.
    """

    def __init__(self, model: ViCA, *, in_step: bool = False) -> None:
        super().__init__()
        self.model = model
        self.in_step = in_step
        self.config = model.config
        if in_step:
            from deepspeed import zero  # noqa: PLC0415  (an extra)

            # Otherwise it is gathered at its first use, which differs between processes.
            zero.register_external_parameter(self, model.model.image_newline)

    def forward(self, batch: Mapping[str, Any], groups: float | Tensor) -> dict[str, Tensor]:
        """Compute the loss of a batch: the mean over groups of their mean cross-entropies.

        In a distributed run every process must call the same modules. So for a pack without a
        visual a blank one is encoded without effect, and a batch without targets has a loss of 0.

        Args:
            batch: The result of `collate`.
            groups: The number of groups to average over: those of the whole step.

        Returns:
            `loss`, a scalar, and `segments` [B, L].
        """
        blocks, anchor = self._encoded(batch)
        ids_BS, segments_BS = batch["input_ids"], batch["segments"]
        segments_BL = expanded(ids_BS, segments_BS, blocks, self._multiple)
        embeds_BSD = self.model.get_input_embeddings()(ids_BS.clamp(min=0))
        embeds_BLD = placed(ids_BS, embeds_BSD, blocks, segments_BL.shape[1])
        hidden_BLD = self.model.model(
            inputs_embeds=embeds_BLD,
            position_ids=positions(segments_BL),
            attention_mask={"full_attention": self._mask(segments_BL, packed=batch["packed"])},
            use_cache=False,
        ).last_hidden_state
        places_U = moved(ids_BS, batch["sources"], blocks, segments_BL.shape[1])
        logits_UV = self.model.lm_head(hidden_BLD.flatten(0, 1)[places_U])
        loss = _averaged(logits_UV, batch, groups)
        return {"loss": loss + 0 * anchor, "segments": segments_BL}

    @property
    def _multiple(self) -> int:
        return BLOCK if self.config._attn_implementation == FLEX else 1

    def _encoded(self, batch: Mapping[str, Any]) -> tuple[list[Tensor], Tensor]:
        """The blocks [N, D] of the batch's visuals, and a sum of what is encoded without effect.

        All visuals go through one encoder, then through the other. Each encoder is called as often
        as in the process that calls it most.
        """
        visuals = split_visuals({name: batch.get(name) for name in (PIXELS, HIERA_PIXELS, SIZES)})
        count = len(visuals)
        visuals += [_blank(self.config)] * (len(batch["input_ids"]) - count)
        inner = self.model.model
        shown = [v.hiera_pixels_FCHW for v in visuals if v.hiera_pixels_FCHW is not None]
        more, more_spatial = self._missing([v.pixels_FCHW for v in visuals], shown)
        blocks = [ViCAModel.encode(inner, visual) for visual in visuals]  # SigLIP's only
        extra = [
            inner.mm_projector(inner.vision_tower(self._grey(self.config.siglip_size)))
            for _ in range(more)
        ]
        if isinstance(inner, ViCA2Model):
            spatial = [inner.encode_spatial(visual) for visual in visuals]
            blocks = [torch.cat(pair) for pair in zip(blocks, spatial, strict=True)]
            size, stage = inner.config.hiera_size, inner.config.hiera_stage
            extra += [
                inner.sam_projector(inner.sam_tower(self._grey(size), stage))
                for _ in range(more_spatial)
            ]
        unused = [block.float().sum() for block in [*blocks[count:], *extra]]
        anchor = torch.stack(unused).sum() if unused else torch.zeros((), device=self.model.device)
        return blocks[:count], anchor

    def _missing(self, *pixels: Sequence[Tensor]) -> list[int]:
        """How many more calls of each encoder the process with the most frames makes.

        Computed before the first call, because all processes must communicate in the same order.
        """
        if not self.in_step:
            return [0] * len(pixels)
        at_once = self.model.model.frames_at_once
        own = torch.tensor([sum(-(-len(one) // at_once) for one in each) for each in pixels])
        most = own.clone().to(self.model.device)
        distributed.all_reduce(most, distributed.ReduceOp.MAX)
        missing: list[int] = (most.cpu() - own).tolist()
        return missing

    def _grey(self, size: int) -> Tensor:
        return torch.zeros(1, 3, size, size, device=self.model.device, dtype=self.model.dtype)

    def _mask(self, segments_BL: Tensor, *, packed: bool) -> Any:
        """The mask for the configured attention; None for plain causal attention.

        Without packing, padding only follows the tokens, so causal attention never sees it.
        """
        if self._multiple == BLOCK:
            return block_mask(segments_BL, block=BLOCK)
        if not packed:
            return None
        if self.config._attn_implementation == SHARED_PREFIX:
            return PrefixMask.of(segments_BL)
        return visible(segments_BL)[:, None]


def _averaged(logits_UV: Tensor, batch: Mapping[str, Any], groups: float | Tensor) -> Tensor:
    """The sum of cross-entropies, each divided by its group's size and `groups`, in float32."""
    logits_UV = logits_UV.to(torch.promote_types(logits_UV.dtype, torch.float32))
    source_of_T = batch["source_of"]
    norms_T = torch.logsumexp(logits_UV, -1)[source_of_T]
    losses_T = norms_T - logits_UV[source_of_T, batch["targets"]]
    loss: Tensor = (losses_T / (batch["sizes"].to(losses_T) * groups)).sum()
    return loss


def expanded(
    ids_BS: Tensor, segments_BS: Tensor, blocks: Sequence[Tensor], multiple: int = 1
) -> Tensor:
    """Segments [B, L] with a block per placeholder, padded to a multiple of `multiple`."""
    left = iter(blocks)
    rows = []
    for ids_S, segments_S in zip(ids_BS, segments_BS, strict=True):
        counts_S = torch.ones_like(ids_S)
        for place in (ids_S == PLACEHOLDER_ID).nonzero().flatten().tolist():
            counts_S[place] = len(next(left))
        rows.append(segments_S.repeat_interleave(counts_S))
    longest = max(map(len, rows))
    longest += -longest % multiple
    return torch.stack([pad(row, (0, longest - len(row)), value=PADDING) for row in rows])


def placed(ids_BS: Tensor, embeds_BSD: Tensor, blocks: Sequence[Tensor], length: int) -> Tensor:
    """Embeddings [B, `length`, D] with each placeholder's replaced by its block.

    `vica.merging` embeds each piece of text separately, so its number of calls would differ
    between the processes of ZeRO-3.
    """
    left = iter(blocks)
    rows = []
    for ids_S, row_SD in zip(ids_BS, embeds_BSD, strict=True):
        for place in (ids_S == PLACEHOLDER_ID).nonzero().flatten().tolist():
            block_ND = next(left).to(row_SD)
            row_SD = torch.cat([row_SD[:place], block_ND, row_SD[place + 1 :]])  # noqa: PLW2901
        rows.append(pad(row_SD, (0, 0, 0, length - len(row_SD))))
    return torch.stack(rows)


def moved(ids_BS: Tensor, sources_U: Tensor, blocks: Sequence[Tensor], length: int) -> Tensor:
    """Map indices into the B x S ids to indices into B x `length` positions; int64 [U].

    A placeholder maps to its block's last token, which predicts the id after it.
    """
    samples, ids = ids_BS.shape
    sizes_BS = torch.zeros_like(ids_BS)
    sizes_BS[ids_BS == PLACEHOLDER_ID] = torch.tensor(
        [len(block) - 1 for block in blocks], dtype=torch.int64, device=ids_BS.device
    )
    places_BS = torch.arange(ids, device=ids_BS.device) + sizes_BS.cumsum(1)
    rows_B1 = torch.arange(samples, device=ids_BS.device)[:, None] * length
    places: Tensor = (places_BS + rows_B1).flatten()[sources_U]
    return places


def _blank(config: ViCAConfig) -> Visual:
    """A grey frame."""
    sizes = [config.siglip_size]
    if isinstance(config, ViCA2Config):
        sizes.append(config.hiera_size)
    pixels_FCHW, *spatial = (torch.zeros(1, 3, size, size) for size in sizes)
    return Visual(pixels_FCHW=pixels_FCHW, hiera_pixels_FCHW=spatial[0] if spatial else None)
