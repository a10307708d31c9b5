"""What is trained and how fast: freezing by part, and AdamW's groups of parameters."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from torch import nn

from vica.modeling import ViCA
from vica.training.config import LearningRates, Optimizer
from vica.training.parts import learning_rate, part_of

UNUSED = "model.vision_tower.post_layernorm."
"""Published, but never applied: it gets no gradient, and waiting for one would stop a run."""
WITHOUT_DECAY = ("bias", "norm")
"""In names of parameters that weight decay leaves alone, as in the published code."""


def freeze(model: ViCA, rates: LearningRates) -> None:
    """Let exactly the parts that have a learning rate be trained."""
    for name, parameter in model.named_parameters():
        trained = learning_rate(rates, part_of(name)) is not None
        parameter.requires_grad_(trained and not name.startswith(UNUSED))


def rest(model: ViCA) -> None:
    """Put Hiera, which is never trained, in evaluation mode, where it always computes the same."""
    hiera = getattr(model.model, "sam_tower", None)
    if hiera is not None:
        hiera.train(False)


def parameter_groups(
    model: ViCA, rates: LearningRates, optimizer: Optimizer
) -> list[dict[str, Any]]:
    """AdamW's groups: one for each part that is trained, those without weight decay apart."""
    groups: dict[tuple[str, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = not any(word in name for word in WITHOUT_DECAY)
            groups[part_of(name), decays].append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate(rates, part),
            "weight_decay": optimizer.weight_decay if decays else 0.0,
            "name": part,
        }
        for (part, decays), parameters in sorted(groups.items())
    ]


def main_rate(rates: LearningRates) -> float:
    """The rate that is logged: the language model's, or the only one there is."""
    parts = ("language_model", "semantic_projector", "spatial_projector", "semantic_encoder")
    return next(rate for part in parts if (rate := learning_rate(rates, part)) is not None)
