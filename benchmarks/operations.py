"""The floor: the operations that answering takes, counted by formula.

A product of matrices [m, k] and [k, n] is 2mkn operations. The language model's layers multiply
each position with each of their parameters (2 each), and attention takes 4 x width for each layer
and each pair of positions that see each other. The encoders are counted by torch's own counter of
such formulas. Models are built on the meta device, so that nothing is computed or allocated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode
from vica.config import ViCA2Config, ViCAConfig
from vica.merging import Visual
from vica.modeling import MODELS, ViCA


@dataclass(frozen=True, kw_only=True)
class Floor:
    """Operations of answering a video's questions from one prefill: `own` is the questions' part.

    `loop` is what the per-question loop takes for the same questions.
    """

    encoders: float
    prefix: float
    own: float
    loop: float

    @property
    def total(self) -> float:
        """All of ours."""
        return self.encoders + self.prefix + self.own


def floor(config: ViCAConfig, frames: int, shared: int, own: Sequence[int], new: int) -> Floor:
    """Of a video of `frames`, `shared` ids before and after it, and questions of `own` ids each.

    Every reply has `new` tokens.
    """
    with torch.device("meta"):
        model = MODELS[config.model_type](config)
    length = config.layout.video(frames).total + shared
    encoders, prefix = _vision(model, frames), _prefix(model, length)
    each = [_own(model, length, ids, new) for ids in own]
    return Floor(
        encoders=encoders,
        prefix=prefix,
        own=sum(each),
        loop=len(each) * (encoders + prefix) + sum(each),
    )


def _prefix(model: ViCA, length: int) -> float:
    """To prefill `length` tokens causally."""
    return _linear(model) * length + _attention(model) * length * (length + 1) / 2


def _own(model: ViCA, prefix: int, ids: int, new: int) -> float:
    """To read a question's own ids behind the prefix, and to write its reply."""
    tokens = ids + new - 1  # the last new token is not read
    pairs = tokens * prefix + tokens * (tokens + 1) / 2
    head = 2.0 * model.config.hidden_size * model.config.vocab_size * new
    return _linear(model) * tokens + _attention(model) * pairs + head


def _vision(model: ViCA, frames: int) -> float:
    """To encode a video with all encoders and projectors."""
    config, spatial = model.config, None
    if isinstance(config, ViCA2Config):
        count = len(config.layout.spatial_indices(frames))
        spatial = torch.empty(count, 3, config.hiera_size, config.hiera_size, device="meta")
    side = config.siglip_size
    pixels = torch.empty(frames, 3, side, side, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.encode(Visual(pixels_FCHW=pixels, hiera_pixels_FCHW=spatial))
    return float(counter.get_total_flops())


def _linear(model: ViCA) -> float:
    return 2.0 * sum(p.numel() for p in model.model.layers.parameters() if p.dim() > 1)


def _attention(model: ViCA) -> float:
    return 4.0 * model.config.hidden_size * model.config.num_hidden_layers
