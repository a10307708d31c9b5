"""The spatial encoder: SAM 2.1's Hiera, stage by stage.

Shapes: F frames, C = 3 colours, H and W of a stage's map, L = H x W, D the stage's width.
"""

from __future__ import annotations

import torch
from transformers.models.sam2.modeling_sam2 import Sam2HieraDetModel


class HieraTower(Sam2HieraDetModel):
    """Hiera's trunk, without the neck that SAM 2 puts on top of it."""

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
        """Features [F, L, D] of one stage, row by row, in the encoder's own dtype."""
        return self.stages(pixels_FCHW, stage)[-1].flatten(1, 2)
