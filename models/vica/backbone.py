"""What stands before and inside the language model: encoders, projectors, newline, Qwen2 layers.

ViCA2's is ViCA's with a second encoder.

Shapes: F frames, C = 3 colours, H and W pixels, N visual tokens, D the language model's width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Qwen2Model
from transformers.modeling_outputs import BaseModelOutputWithPast

from vica.budget import Branch
from vica.config import ViCA2Config, ViCAConfig
from vica.device_preprocessing import hiera_pixels_on_device
from vica.errors import InputError
from vica.fusion import image_tokens, pool, projector, rows
from vica.hiera import HieraTower
from vica.images import grid_of
from vica.preprocessing import siglip_values
from vica.sdpa import check_scores
from vica.siglip import SiglipTower
from vica.visuals import HIERA_PIXELS, Visual

FRAMES_AT_ONCE = 8
"""Frames that an encoder sees in one go, which bounds its memory. Hiera base-plus attends in 1,024
windows of 4 heads a frame, and CUDA's attention takes 65,535 of them at a time."""


class ViCAModel(Qwen2Model):
    """SigLIP, its projector, the newline that ends each row of a map, and Qwen2's layers."""

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
        """Qwen2's own; raises BudgetError for more tokens than `eager` attention can take."""
        embeds_BLD = options.get("inputs_embeds")
        if embeds_BLD is not None:
            check_scores(self.config, *embeds_BLD.shape[:2])
        found: BaseModelOutputWithPast = super().forward(*args, **options)
        return found

    def encode(self, visual: Visual) -> Tensor:
        """The tokens [N, D] that stand for a video or an image."""
        features = [
            self.mm_projector(self.vision_tower(part))
            for part in self._parts(visual.pixels_FCHW, self.vision_tower, siglip_values)
        ]
        features_FLD = torch.cat(features)
        if visual.image_size is None:
            branch = self.config.layout.semantic
            return rows(pool(features_FLD, branch), self.image_newline)
        return image_tokens(
            features_FLD,
            self.image_newline,
            grid=grid_of(visual.image_size, self.config.pinpoints, self.config.siglip_size),
            image_size=visual.image_size,
            max_tiles=self.config.max_tiles,
        )

    def _parts(
        self, pixels_FCHW: Tensor, tower: nn.Module, made: Callable[[Tensor], Tensor]
    ) -> Iterator[Tensor]:
        """Pixels in portions, where and as what the encoder computes; `made` of uint8."""
        weight = next(tower.parameters())
        for part_FCHW in torch.split(pixels_FCHW.to(weight.device), self.frames_at_once):
            ready = made(part_FCHW) if part_FCHW.dtype == torch.uint8 else part_FCHW
            yield ready.to(weight.dtype)


class ViCA2Model(ViCAModel):
    """ViCA and, after its tokens, those of Hiera through a projector of their own."""

    config: ViCA2Config
    config_class = ViCA2Config

    def __init__(self, config: ViCA2Config) -> None:
        super().__init__(config)
        self.sam_tower = HieraTower(config.hiera)
        self.sam_projector = projector(config.hiera_width, config.hidden_size)
        self.post_init()  # type: ignore[no-untyped-call]

    def encode(self, visual: Visual) -> Tensor:
        """The tokens [N, D]: all semantic ones, then all spatial ones."""
        return torch.cat([super().encode(visual), self.encode_spatial(visual)])

    def encode_spatial(self, visual: Visual) -> Tensor:
        """Hiera's tokens; an image's are not pooled."""
        if visual.hiera_pixels_FCHW is None:
            raise InputError(f"ViCA2 needs {HIERA_PIXELS} too: pass all the processor gave")
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
