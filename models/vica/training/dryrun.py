"""Planning what a run would do and cost at full size, without weights, GPU or even the data."""

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
    """The plan of a run: its model by parts, its data, its steps and their cost.

    Attributes:
        at_hand: Whether the checkpoint is on this machine; otherwise `config.shape` was used.
        flops_per_pack: Operations by part of the model.
        held: Memory of one device.
        sizes: Disk space of a checkpoint and its state.
        shared: Bytes of shared memory for reading ahead.
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
        """Packs of one optimizer step on all devices."""
        batch = self.config.batch
        return batch.packs_per_device * batch.accumulation * self.config.hardware.devices

    @property
    def steps(self) -> int:
        """Optimizer steps; the last one may be smaller."""
        return math.ceil(self.data.packs * self.config.epochs / self.packs_per_step)

    @property
    def checkpoints(self) -> dict[int, str]:
        """The names of the checkpoints by the step after which they are saved."""
        return milestones(self.config.name, self.steps, self.config.saving)

    @property
    def on_disk(self) -> Load:
        """The disk space that the checkpoints take."""
        return load(self.sizes, len(self.checkpoints), self.config.saving)

    @property
    def trained(self) -> int:
        """The number of trained parameters."""
        return sum(part.trained for part in self.parts)

    @property
    def parameters(self) -> int:
        """The number of all parameters."""
        return sum(part.parameters for part in self.parts)

    @property
    def flops_per_step(self) -> float:
        """Operations of an optimizer step on all devices."""
        return sum(self.flops_per_pack.values()) * self.packs_per_step


def dry_run(config: TrainingConfig, *, progress: Progress | None = None) -> DryRun:
    """Plan a run without starting it; the checkpoint and the data are used if they are here.

    `progress` is as for `vica.training.index.conversations`.

    Raises:
        VicaError: The run could not start: RecipeError, DataError, CheckpointError or BudgetError.
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
