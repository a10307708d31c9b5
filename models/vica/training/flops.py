"""How much arithmetic a step needs, and what share of the hardware's it gets (MFU).

Model FLOPs as in PaLM (Chowdhery et al. 2022, arXiv:2204.02311, appendix B): for each position 6
for each parameter that it is multiplied with (2 forward, 4 backward; forward only where nothing
is trained), and for attention 12 x width for each layer and each pair of positions that see each
other; 4 for each parameter of a frozen language model, which gradients pass through. What is
computed a second time for gradient checkpointing is not counted, nor are Hiera and the projectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vica.modeling import ViCA
from vica.segments import PREFIX

FORWARD, BACKWARD = 2, 4
PEAK_BF16 = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
}
"""Dense bf16 FLOP/s by NVIDIA's data sheets, by a part of the device's name; the first counts."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """FLOPs of one model for a position, a pair of positions, a logit's row, a patch, a frame."""

    position: float
    pair: float
    row: float
    frame: float

    @classmethod
    def of(cls, model: ViCA) -> Cost:
        """The costs of a training step of this model, with what is frozen as it is now."""
        config, siglip = model.config, model.config.siglip
        trained = FORWARD + BACKWARD
        layers, language_model = _weights(model.model.layers)
        towers, tower = _weights(model.model.vision_tower)
        passed = trained if language_model else trained - BACKWARD / 2
        patches, times = config.siglip_side**2, trained if tower else FORWARD
        pairs = 2 * siglip.hidden_size * siglip.num_hidden_layers * patches**2
        return cls(
            position=passed * layers,
            pair=2 * trained * config.hidden_size * config.num_hidden_layers,
            row=passed * config.hidden_size * config.vocab_size,
            frame=times * (towers * patches + pairs),
        )

    def step(self, *, positions: int, pairs: int, rows: int, frames: int) -> float:
        """The FLOPs of a step, forward and backward."""
        return self.position * positions + self.pair * pairs + self.row * rows + self.frame * frames


def _weights(module: nn.Module) -> tuple[int, bool]:
    """How many parameters a module has, and whether it is trained.

    ZeRO-3 leaves an empty tensor where a parameter was, and its size beside it.
    """
    parameters = list(module.parameters())
    count = sum(int(getattr(p, "ds_numel", p.numel())) for p in parameters)
    return count, parameters[0].requires_grad


def seen(segments_BL: Tensor) -> tuple[int, int]:
    """How many positions there are, without padding, and how many pairs of them attend."""
    positions = pairs = 0
    for segments_L in segments_BL.cpu():
        counts = torch.bincount(segments_L[segments_L >= PREFIX]).tolist() or [0]
        prefix, own = counts[0], counts[1:]
        positions += sum(counts)
        pairs += prefix * (prefix + 1) // 2
        pairs += sum(prefix * count + count * (count + 1) // 2 for count in own)
    return positions, pairs


def peak(device: torch.device) -> float | None:
    """The FLOP/s that the device could do at most in bf16; None where it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((value for part, value in PEAK_BF16.items() if part in name), None)
