"""Counting a step's floating point operations: planned, measured, and as hardware share (MFU)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vica.config import ViCA2Config, ViCAConfig
from vica.modeling import ViCA
from vica.segments import PREFIX
from vica.training.config import LearningRates
from vica.training.optimizer import HIERA, LANGUAGE_MODEL, learning_rate


@dataclass(frozen=True, kw_only=True)
class PackShape:
    """One pack, on average: what is seen, and the positions that come of it.

    `semantic_inputs` and `spatial_inputs` are the frames or crops that the encoders see. `prefix`
    positions are shared by `conversations` of `own` positions each, at `predicted` of which, in
    the whole pack, something is to be predicted.
    """

    semantic_inputs: float
    spatial_inputs: float
    prefix: float
    conversations: float
    own: float
    predicted: float

    @property
    def positions(self) -> float:
        """The length of the sequence."""
        return self.prefix + self.conversations * self.own

    @property
    def visible(self) -> float:
        """How many pairs there are of a position and one that it sees."""
        each = self.own * self.prefix + self.own * (self.own + 1) / 2
        return self.prefix * (self.prefix + 1) / 2 + self.conversations * each


def language_model(config: ViCAConfig, shape: PackShape) -> tuple[float, float]:
    """Of a forward pass: operations with weights, and operations of attention."""
    width, heads = config.hidden_size, config.num_attention_heads
    all_heads, keys = heads * head_width(config), (config.num_key_value_heads or heads)
    layer = width * 2 * (all_heads + keys * head_width(config))
    layer += 3 * width * config.intermediate_size
    weights = 2 * config.num_hidden_layers * layer * shape.positions
    logits = 2 * width * config.vocab_size * shape.predicted
    return weights + logits, 4 * config.num_hidden_layers * all_heads * shape.visible


def head_width(config: ViCAConfig) -> int:
    """The width of an attention head of the language model."""
    stated: int | None = getattr(config, "head_dim", None)
    return stated or config.hidden_size // config.num_attention_heads


def encoders(model: ViCA) -> dict[str, float]:
    """Operations of a forward pass of each encoder and projector over one frame or crop.

    `model` is on the meta device: nothing is computed.
    """
    config: ViCAConfig = model.config
    backbone: Any = model.model
    semantic, features = _counted(backbone.vision_tower, _blank(config.siglip_size))
    projected, _ = _counted(backbone.mm_projector, features)
    found = {"semantic_encoder": semantic, "semantic_projector": projected}
    if isinstance(config, ViCA2Config):
        blank = _blank(config.hiera_size)
        found[HIERA], features = _counted(backbone.sam_tower, blank, config.hiera_stage)
        found["spatial_projector"], _ = _counted(backbone.sam_projector, features)
    return found


def of_pack(
    config: ViCAConfig,
    per_input: Mapping[str, float],
    shape: PackShape,
    rates: LearningRates,
    *,
    checkpointing: bool,
) -> dict[str, float]:
    """Operations of training on a pack, forward and backward, by part of the model.

    `per_input` is what `encoders` counts. What the projectors do is not recomputed.
    """
    found = {}
    for part, each in per_input.items():
        inputs = shape.spatial_inputs if part.startswith("spatial") else shape.semantic_inputs
        trained = learning_rate(rates, part) is not None
        behind = learning_rate(rates, part.replace("projector", "encoder")) is not None
        again = checkpointing and part.endswith("encoder")
        found[part] = each * inputs * _times(trained, passes=trained or behind, again=again)
    weights, attention = language_model(config, shape)
    trained = learning_rate(rates, LANGUAGE_MODEL) is not None
    found[LANGUAGE_MODEL] = weights * _times(trained, passes=True, again=checkpointing)
    found[LANGUAGE_MODEL] += attention * _times(True, passes=True, again=checkpointing)
    return found


def _times(trained: bool, *, passes: bool, again: bool) -> int:
    """How many forward passes a part's training costs; `passes` says gradients pass through it."""
    return 1 + trained + passes + (again and passes)


def _blank(side: int) -> torch.Tensor:
    return torch.empty(1, 3, side, side, device="meta")


def _counted(module: nn.Module, *inputs: object) -> tuple[float, torch.Tensor]:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output: torch.Tensor = module(*inputs)
    return float(counter.get_total_flops()), output


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
