"""What a run would do and cost, at full size, without weights, GPU, or even the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vica.checkpoint import read_tokenizer
from vica.config import ViCAConfig
from vica.training import cost, flops
from vica.training.checkpoints import milestones
from vica.training.config import TrainingConfig
from vica.training.cost import (
    Held,
    Load,
    PartCount,
    Sizes,
    architecture,
    checkpoint_folder,
    counts,
    load,
    pixels,
    shared_bytes,
    sizes,
    skeleton,
)
from vica.training.data_estimate import Survey, survey
from vica.training.index import Progress


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """The plan of `config`: its model by parts, its data, its steps and what they cost.

    `flops_per_pack` are by part of the model; `held` is for one device. `at_hand` says whether
    the checkpoint is on this machine or its shape was taken instead. `sizes` are what a checkpoint
    takes on the disk, and `shared` the bytes of shared memory that reading ahead takes.
    """

    config: TrainingConfig
    architecture: ViCAConfig
    at_hand: bool
    parts: Sequence[PartCount]
    data: Survey
    flops_per_pack: Mapping[str, float]
    held: Sequence[Held]
    sizes: Sizes
    shared: int

    @property
    def packs_per_step(self) -> int:
        """Packs that one optimizer step averages over, on all devices."""
        batch = self.config.batch
        return batch.packs_per_device * batch.accumulation * self.config.hardware.devices

    @property
    def steps(self) -> int:
        """Optimizer steps; the last one may be smaller."""
        return math.ceil(self.data.packs * self.config.epochs / self.packs_per_step)

    @property
    def checkpoints(self) -> dict[int, str]:
        """After which step which checkpoint is saved."""
        return milestones(self.config.name, self.steps, self.config.saving)

    @property
    def on_disk(self) -> Load:
        """What they come to."""
        return load(self.sizes, len(self.checkpoints), self.config.saving)

    @property
    def trained(self) -> int:
        """Parameters that are trained."""
        return sum(part.trained for part in self.parts)

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(part.parameters for part in self.parts)

    @property
    def flops_per_step(self) -> float:
        """Operations of an optimizer step on all devices."""
        return sum(self.flops_per_pack.values()) * self.packs_per_step


def dry_run(config: TrainingConfig, *, progress: Progress | None = None) -> DryRun:
    """Plan a run without doing any of it; the checkpoint and the data are used if they are here.

    `progress` is that of `vica.training.index.conversations`.
    Raises RecipeError, DataError, CheckpointError or BudgetError for what could not be run.
    """
    shape = architecture(config)
    folder = checkpoint_folder(config)
    tokenizer = read_tokenizer(folder) if folder else None
    data = survey(config, shape, tokenizer, progress=progress)
    model = skeleton(shape)
    rates, hardware = config.learning_rates, config.hardware
    parts = counts(model, rates)
    return DryRun(
        config=config,
        architecture=shape,
        at_hand=folder is not None,
        parts=parts,
        data=data,
        flops_per_pack=flops.of_pack(
            shape,
            flops.encoders(model),
            data.shape,
            rates,
            checkpointing=hardware.gradient_checkpointing,
        ),
        held=cost.held(shape, parts, hardware, rates, data.shape, config.batch.packs_per_device),
        sizes=sizes(parts, hardware),
        shared=shared_bytes(config, pixels(shape, data.shape)),
    )
