"""What is trained and how fast: freezing by part, and AdamW's groups of parameters."""

from __future__ import annotations

import re
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


LAYER = re.compile(r"model\.layers\.(\d+)\.")
TABLES = ("embed", "lm_head")
"""In names of matrices that are looked up, or that score the vocabulary."""


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
    """The optimizer's groups: one for each part that is trained, those without weight decay apart.

    With `optimizer.muon` Muon's matrices are apart too, marked by `muon`, and with
    `optimizer.layer_decay` the language model's layers.
    """
    layers = model.config.num_hidden_layers
    groups: dict[tuple[str, bool, bool, int], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = not any(word in name for word in WITHOUT_DECAY)
            matrix = optimizer.muon is not None and is_inner_matrix(name, parameter)
            below = layers_above(name, layers) if optimizer.layer_decay != 1 else 0
            groups[part_of(name), decays, matrix, below].append(parameter)
    found = []
    for (part, decays, matrix, below), parameters in sorted(groups.items()):
        rate = (learning_rate(rates, part) or 0.0) * optimizer.layer_decay**below
        group: dict[str, Any] = {
            "params": parameters,
            "lr": rate * (optimizer.muon or 1.0) if matrix else rate,
            "weight_decay": optimizer.weight_decay if decays else 0.0,
            "name": part,
        }
        found.append({**group, "muon": True} if matrix else group)
    return found


def layers_above(name: str, layers: int) -> int:
    """How many of the language model's layers come after what this parameter belongs to."""
    match = LAYER.match(name)
    if match:
        return layers - 1 - int(match[1])
    return layers if "embed_tokens" in name or "image_newline" in name else 0


def is_inner_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether this maps hidden vectors to hidden vectors: no embedding, no head, no convolution."""
    return parameter.ndim == 2 and not any(word in name for word in TABLES)


def main_rate(rates: LearningRates) -> float:
    """The rate that is logged: the language model's, or the only one there is."""
    parts = ("language_model", "semantic_projector", "spatial_projector", "semantic_encoder")
    return next(rate for part in parts if (rate := learning_rate(rates, part)) is not None)
