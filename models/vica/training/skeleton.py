"""The model of a run without its weights: its real classes on torch's meta device, and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from vica.checkpoint import configured
from vica.config import SIZES, ViCAConfig
from vica.errors import CheckpointError, RecipeError
from vica.hub import fetch
from vica.modeling import MODELS, ViCA
from vica.tiny import FAMILY_NAMES
from vica.training.config import LearningRates, TrainingConfig
from vica.training.parts import PARTS, learning_rate, part_of
from vica.training.sources import HUB_ID


@dataclass(frozen=True, kw_only=True)
class PartCount:
    """Parameters of a part of the model, and its peak learning rate, None if it is frozen."""

    part: str
    parameters: int
    rate: float | None

    @property
    def trained(self) -> int:
        """How many of them are trained."""
        return 0 if self.rate is None else self.parameters


def checkpoint_folder(config: TrainingConfig) -> Path | None:
    """The folder of `config.base` if it is on this machine; nothing is asked of the hub.

    Raises RecipeError for what is neither a folder here nor a hub id.
    """
    if Path(config.base).is_dir():
        return Path(config.base)
    if not HUB_ID.fullmatch(config.base):
        raise RecipeError(f"base={config.base}: is no folder here, and no hub id (OWNER/NAME)")
    try:
        revision = config.base_revision
        return fetch(config.base, weights=False, revision=revision, local_files_only=True)
    except CheckpointError:
        return None


def architecture(config: TrainingConfig) -> ViCAConfig:
    """The model's configuration: the checkpoint's if it is here, else that of `config.shape`.

    Raises RecipeError for a shape that is none.
    """
    folder = checkpoint_folder(config)
    if folder is not None:
        return configured(folder)[0]
    family, _, size = config.shape.partition("-")
    if size not in SIZES or family not in FAMILY_NAMES:
        known = [f"{family}-{size}" for size in SIZES for family in FAMILY_NAMES]
        raise RecipeError(f"there is no shape {config.shape!r}: choose {', '.join(known)}")
    return SIZES[size][FAMILY_NAMES.index(family)]()


def skeleton(architecture: ViCAConfig) -> ViCA:
    """The model without memory for its weights."""
    with torch.device("meta"):
        return MODELS[architecture.model_type](architecture)


def counts(model: ViCA, rates: LearningRates) -> list[PartCount]:
    """The parameters of each part that the model has."""
    found = Counter[str]()
    for name, parameter in model.named_parameters():
        # ZeRO-3 leaves an empty tensor where a parameter was, and its size beside it.
        found[part_of(name)] += int(getattr(parameter, "ds_numel", parameter.numel()))
    return [
        PartCount(part=part, parameters=found[part], rate=learning_rate(rates, part))
        for part in PARTS
        if found[part]
    ]
