"""The vision side: encoders, projectors, pooling and newline tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Qwen2Model, SiglipVisionModel
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig
from transformers.models.sam2.modeling_sam2 import (
    Sam2HieraDetModel,
    Sam2MultiScaleAttention,
    do_pool,
    eager_attention_forward,
)

from vica.attention import check_scores
from vica.budget import AVERAGE, BILINEAR, FRAME, GRID, NO_TOKEN, Branch
from vica.config import ViCA2Config, ViCAConfig, square
from vica.errors import InputError
from vica.images import grid_of, unpadded
from vica.merging import HIERA_PIXELS, Visual
from vica.preprocessing import hiera_pixels_on_device, siglip_values

MOST_ROWS = 65_535
"""Rows of a batch, times heads, that CUDA's attention kernels take at once."""


class HieraAttention(Sam2MultiScaleAttention):
    """Attention in windows, without the products of heads that transformers computes and drops."""

    def forward(self, hidden_states: Tensor, **options: Any) -> Tensor:
        """The output [N, height, width, D] for N windows, pooled where the block pools queries."""
        count, height, width, _ = hidden_states.shape
        heads = self.num_attention_heads
        qkv = self.qkv(hidden_states).view(count, height * width, 3, heads, -1)
        query, key, value = qkv.unbind(2)
        if self.query_stride:
            pooled = do_pool(query.reshape(count, height, width, -1), cast(Any, self.query_stride))
            height, width = pooled.shape[1:3]
            query = pooled.reshape(count, height * width, heads, -1)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        options = {"attention_mask": None, "is_causal": False, "scaling": self.scale, **options}
        parts = [
            attend(self, *(x.transpose(1, 2) for x in part), **options)[0]
            for part in zip(
                *(x.split(MOST_ROWS // heads) for x in (query, key, value)), strict=True
            )
        ]
        mixed = parts[0] if len(parts) == 1 else torch.cat(parts)
        output: Tensor = self.proj(mixed.reshape(count, height, width, -1))
        return output


class HieraTower(Sam2HieraDetModel):
    """Hiera's trunk, without SAM 2's neck."""

    def __init__(self, config: Sam2HieraDetConfig) -> None:
        super().__init__(config)
        for block in self.blocks:  # made anew they would draw other random weights
            block.attn.__class__ = HieraAttention

    def stages(self, pixels_FCHW: torch.Tensor, last: int = 4) -> list[torch.Tensor]:
        """The maps [F, H, W, D] after stages 1 to `last`; later blocks are not computed."""
        hidden_FHWD = self.patch_embed(pixels_FCHW)
        hidden_FHWD = hidden_FHWD + self._get_pos_embed(hidden_FHWD.shape[1:3])
        maps: list[torch.Tensor] = []
        for index, block in enumerate(self.blocks):
            hidden_FHWD = block(hidden_FHWD)
            if index in self.stage_ends:
                maps.append(hidden_FHWD)
            if len(maps) == last:
                break
        return maps

    def forward(self, pixels_FCHW: torch.Tensor, stage: int = 4) -> torch.Tensor:
        """Features [F, L, D] of one stage, row by row, in the encoder's dtype."""
        return self.stages(pixels_FCHW, stage)[-1].flatten(1, 2)


class SiglipTower(SiglipVisionModel):
    """SigLIP as the published models use it: its last layer's output, not normalised.

    The published checkpoints hold 26 of 27 layers and a `post_layernorm` that is never applied.
    """

    def forward(self, pixels_FCHW: torch.Tensor) -> torch.Tensor:
        """Features [F, L, D] in row-major order of the patches, in the encoder's dtype."""
        embeds_FLD = self.embeddings(pixels_FCHW)
        features_FLD: torch.Tensor = self.encoder(inputs_embeds=embeds_FLD).last_hidden_state
        return features_FLD


SHRINK_ABOVE = 1.1
"""Maps are shrunk to the area of `max_tiles` tiles if their side exceeds it by this factor."""


def projector(width_in: int, width_out: int) -> nn.Sequential:
    """Linear, exact GELU, linear (`mlp2x_gelu`)."""
    return nn.Sequential(nn.Linear(width_in, width_out), nn.GELU(), nn.Linear(width_out, width_out))


def pool(features_FLD: Tensor, branch: Branch) -> Tensor:
    """Square maps of features, pooled as `branch` states: [F, pooled, pooled, D]."""
    frames, _, width = features_FLD.shape
    map_FHWD = features_FLD.view(frames, branch.side, branch.side, width)
    if branch.pooled == branch.side:
        return map_FHWD
    # Not made contiguous: torch's bilinear kernel for channels-last tensors is faster.
    map_FDHW = map_FHWD.permute(0, 3, 1, 2)
    if branch.mode == BILINEAR:
        size = (branch.pooled, branch.pooled)
        # Cambrian-S, whose maps are shrunk to a given side, does so in float32.
        source = map_FDHW if branch.to is None else map_FDHW.float()
        pooled_FDHW = functional.interpolate(source, size=size, mode="bilinear").to(map_FDHW)
    elif branch.mode == AVERAGE:
        pooled_FDHW = functional.avg_pool2d(map_FDHW, branch.stride)
    else:
        pooled_FDHW = functional.max_pool2d(map_FDHW, branch.stride)
    return pooled_FDHW.permute(0, 2, 3, 1)


def rows(map_FHWD: Tensor, newline_D: Tensor) -> Tensor:
    """Tokens [N, D] in the order frame, row, column, with a newline after each row."""
    frames, height, _, width = map_FHWD.shape
    newline_FHWD = newline_D.to(map_FHWD).expand(frames, height, 1, width)
    return torch.cat([map_FHWD, newline_FHWD], dim=2).flatten(0, 2)


def without_padding(map_FHWD: Tensor, frame_size: tuple[int, int] | None) -> Tensor:
    """Maps of frames that were padded to squares, without what shows the padding.

    `frame_size` is the original (height, width). Raises InputError without one.
    """
    if frame_size is None:
        raise InputError("the size of the frames is needed: pass all that the processor returned")
    row, column = unpadded((map_FHWD.shape[1], map_FHWD.shape[2]), frame_size)
    return map_FHWD[:, row, column]


def video_tokens(map_FHWD: Tensor, newline_D: Tensor, place: str) -> Tensor:
    """Tokens [N, D] in the order frame, row, column, with newlines where `place` puts them.

    `place` is one of `vica.budget.NEWLINES`.
    """
    if place == GRID:
        return rows(map_FHWD, newline_D)
    if place == FRAME:
        return rows(map_FHWD.flatten(1, 2)[:, None], newline_D)
    tokens_ND = map_FHWD.flatten(0, 2)
    if place == NO_TOKEN:
        return tokens_ND
    return torch.cat([tokens_ND, newline_D.to(tokens_ND)[None]])


def image_tokens(
    features_TLD: Tensor,
    newline_D: Tensor,
    *,
    grid: tuple[int, int],
    image_size: tuple[int, int],
    max_tiles: int,
) -> Tensor:
    """Tokens [N, D] of an image: the whole image, then its tiles as one map, row by row.

    The letterbox around the tiled image is cut away, and a map larger than `max_tiles` tiles is
    shrunk. Without tiles, the whole image's tokens are followed by one newline.

    Args:
        features_TLD: The whole image's features, then its tiles'.
        newline_D: The newline token.
        grid: (rows, columns) of tiles.
        image_size: The original (height, width).
        max_tiles: Most tiles whose area the map may have.
    """
    base_LD, tiles_TLD = features_TLD[0], features_TLD[1:]
    if len(tiles_TLD) == 0:
        return torch.cat([base_LD, newline_D.to(base_LD)[None]])
    side = math.isqrt(len(base_LD))
    map_HWD = _joined(tiles_TLD, grid, side)
    row, column = unpadded((map_HWD.shape[0], map_HWD.shape[1]), image_size)
    map_HWD = map_HWD[row, column]
    height, width = map_HWD.shape[:2]
    times = math.sqrt(height * width / (max_tiles * side**2))
    if times > SHRINK_ABOVE:
        size = (int(height // times), int(width // times))
        map_1DHW = map_HWD.permute(2, 0, 1)[None].contiguous()
        map_HWD = functional.interpolate(map_1DHW, size=size, mode="bilinear")[0].permute(1, 2, 0)
    return torch.cat([base_LD, rows(map_HWD[None], newline_D)])


def _joined(tiles_TLD: Tensor, grid: tuple[int, int], side: int) -> Tensor:
    """Join tiles, in row-major order, into one map [rows x side, columns x side, D]."""
    down, across = grid
    tiles = tiles_TLD.view(down, across, side, side, -1)
    return tiles.permute(0, 2, 1, 3, 4).reshape(down * side, across * side, -1)


FRAMES_AT_ONCE = 8
"""Frames that an encoder sees at once, which bounds its memory."""
WIDTHS = 8
"""Activations alive together that are as wide as an encoder's states, beside its MLP's two."""


class ViCAModel(Qwen2Model):
    """SigLIP, its projector, the newline after each row of a map, and Qwen2's layers."""

    config: ViCAConfig
    config_class = ViCAConfig
    frames_at_once: int = FRAMES_AT_ONCE

    def __init__(self, config: ViCAConfig) -> None:
        super().__init__(config)
        self.vision_tower = SiglipTower(config.siglip)
        self.mm_projector = projector(config.siglip.hidden_size, config.hidden_size)
        self.image_newline = nn.Parameter(
            torch.randn(config.hidden_size) * config.hidden_size**-0.5
        )
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, *args: Any, **options: Any) -> BaseModelOutputWithPast:
        """Qwen2's forward; raises BudgetError for more tokens than `eager` attention can take."""
        embeds_BLD = options.get("inputs_embeds")
        if embeds_BLD is not None:
            check_scores(self.config, *embeds_BLD.shape[:2])
        output: BaseModelOutputWithPast = super().forward(*args, **options)
        return output

    @property
    def frame_bytes(self) -> int:
        """The memory that the encoder's activations of a frame take, about."""
        siglip = self.config.siglip
        each = WIDTHS * siglip.hidden_size + 2 * siglip.intermediate_size
        return int(self.config.siglip_side**2 * each * self.dtype.itemsize)

    def encode(self, visual: Visual) -> Tensor:
        """Encode a video or an image as tokens [N, D]."""
        features = [
            self.mm_projector(self.vision_tower(part))
            for part in self._parts(visual.pixels_FCHW, self.vision_tower, siglip_values)
        ]
        features_FLD = torch.cat(features)
        if visual.image_size is None:
            branch = self.config.layout.semantic
            map_FHWD = pool(features_FLD, branch)
            if self.config.square_frames:
                map_FHWD = without_padding(map_FHWD, visual.frame_size)
            return video_tokens(map_FHWD, self.image_newline, branch.newline)
        return image_tokens(
            features_FLD,
            self.image_newline,
            grid=grid_of(visual.image_size, self.config.pinpoints, self.config.siglip_size),
            image_size=visual.image_size,
            max_tiles=self.config.max_tiles,
        )

    def _parts(
        self, pixels_FCHW: Tensor, tower: nn.Module, preprocess: Callable[[Tensor], Tensor]
    ) -> Iterator[Tensor]:
        """Split pixels into portions on the encoder's device and in its dtype.

        `preprocess` is applied to uint8 pixels.
        """
        weight = next(tower.parameters())
        for part_FCHW in torch.split(pixels_FCHW.to(weight.device), self.frames_at_once):
            ready = preprocess(part_FCHW) if part_FCHW.dtype == torch.uint8 else part_FCHW
            yield ready.to(weight.dtype)


class ViCA2Model(ViCAModel):
    """ViCA and, after its tokens, those of Hiera through a second projector."""

    config: ViCA2Config
    config_class = ViCA2Config

    def __init__(self, config: ViCA2Config) -> None:
        super().__init__(config)
        self.sam_tower = HieraTower(config.hiera)
        self.sam_projector = projector(config.hiera_width, config.hidden_size)
        self.post_init()  # type: ignore[no-untyped-call]

    @property
    def frame_bytes(self) -> int:
        """The larger encoder's: Hiera's first stage has the most values."""
        hiera = self.config.hiera
        side = self.config.hiera_size // square(hiera.patch_stride)
        width = cast(list[int], hiera.embed_dim_per_stage)[0]
        values = side**2 * int(WIDTHS + 2 * hiera.mlp_ratio) * width
        return max(super().frame_bytes, int(values * self.dtype.itemsize))

    def encode(self, visual: Visual) -> Tensor:
        """Encode a video or an image as tokens [N, D]: semantic ones, then spatial ones."""
        return torch.cat([super().encode(visual), self.encode_spatial(visual)])

    def encode_spatial(self, visual: Visual) -> Tensor:
        """Encode a video or an image as Hiera's tokens; an image's map is not pooled."""
        if visual.hiera_pixels_FCHW is None:
            raise InputError(
                f"ViCA2 needs {HIERA_PIXELS} too: pass all that the processor returned"
            )
        config = self.config
        features = [
            self.sam_projector(self.sam_tower(part, config.hiera_stage))
            for part in self._parts(visual.hiera_pixels_FCHW, self.sam_tower, self._hiera_pixels)
        ]
        whole = Branch(side=config.hiera_side, stride=1)
        branch = config.spatial if visual.image_size is None else whole
        return rows(pool(torch.cat(features), branch), self.image_newline)

    def _hiera_pixels(self, frames_FCHW: Tensor) -> Tensor:
        return hiera_pixels_on_device(frames_FCHW.movedim(1, -1), self.config.hiera_size)
