"""The semantic encoder: SigLIP, read before its last normalisation.

Shapes: F frames (or crops), C = 3 colours, H and W pixels, L patches, D width.
"""

from __future__ import annotations

import torch
from transformers import SiglipVisionModel


class SiglipTower(SiglipVisionModel):
    """SigLIP as the published models use it: what its last layer puts out, not normalised.

    The published checkpoints hold 26 of 27 layers and a `post_layernorm` that is never applied.
    """

    def forward(self, pixels_FCHW: torch.Tensor) -> torch.Tensor:
        """Features [F, L, D] in row-major order of the patches, in the encoder's own dtype."""
        embeds_FLD = self.embeddings(pixels_FCHW)
        features_FLD: torch.Tensor = self.encoder(inputs_embeds=embeds_FLD).last_hidden_state
        return features_FLD
