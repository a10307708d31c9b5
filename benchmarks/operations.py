"""The floor: the operations that answering takes, counted by formula.

A product of matrices [m, k] and [k, n] is 2mkn operations. The language model's layers multiply
each position with each of their parameters (2 each), and attention takes 4 x width for each layer
and each pair of positions that see each other. The encoders are counted by torch's own counter of
such formulas, on the meta device.
"""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode
from vica.modeling import MODELS, ViCA
from vica.visuals import Visual


def prefix_operations(model: ViCA, length: int) -> float:
    """To prefill `length` tokens causally."""
    return _linear(model) * length + _attention(model) * length * (length + 1) / 2


def own_operations(model: ViCA, prefix: int, lengths: list[int], new: int) -> float:
    """To read each question's own tokens and to write `new` tokens of each reply."""
    total = 0.0
    for length in lengths:
        tokens = length + new - 1  # the last new token is not read
        pairs = tokens * prefix + tokens * (tokens + 1) / 2
        total += _linear(model) * tokens + _attention(model) * pairs
        total += 2 * model.config.hidden_size * model.config.vocab_size * new
    return total


def vision_operations(model: ViCA, visual: Visual) -> float:
    """To encode a video's pixels with all encoders and projectors."""
    with torch.device("meta"):
        shadow = MODELS[model.config.model_type](model.config)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow.encode(
            Visual(
                pixels_FCHW=visual.pixels_FCHW.to("meta"),
                hiera_pixels_FCHW=None
                if visual.hiera_pixels_FCHW is None
                else visual.hiera_pixels_FCHW.to("meta"),
            )
        )
    return float(counter.get_total_flops())


def _linear(model: ViCA) -> float:
    return 2.0 * sum(p.numel() for p in model.model.layers.parameters() if p.dim() > 1)


def _attention(model: ViCA) -> float:
    return 4.0 * model.config.hidden_size * model.config.num_hidden_layers
