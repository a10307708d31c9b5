"""Floating point operations of a pack, before there is one: for plans.

A multiplication and an addition are two operations. Only the work that the mask asks for is
counted: a kernel that computes all of a square does more. Norms, activations and pooling are left
out; the encoders are counted by torch on their real classes. A trained part costs its forward pass
three times (forward, and backward for inputs and weights), a frozen one that gradients pass through
twice, either once more if activations are recomputed; a frozen part before all trained ones costs
its forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vica.config import ViCA2Config, ViCAConfig
from vica.modeling import ViCA
from vica.training.config import LearningRates
from vica.training.parts import HIERA, LANGUAGE_MODEL, learning_rate


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
