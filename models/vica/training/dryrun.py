"""Planning what a run would do and cost at full size, without weights, GPU or even the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
from vica.training.flops import PackShape
from vica.training.index import Progress
from vica.training.settings import changed

ROOM = 0.85
"""The share of a GPU's memory to plan with: `cost.held` leaves out buffers and fragmentation."""
NUMBERS = (*range(1, 9), *range(16, 65, 8))
"""Numbers of GPUs: those of a machine, then of several with eight each."""
WAYS = (
    ("hardware.zero=0", "hardware.offload=none", "optimizer.states=fp32"),
    ("hardware.zero=0", "hardware.offload=none", "optimizer.states=8bit"),
    ("hardware.zero=2", "hardware.offload=optimizer", "optimizer.states=fp32"),
    ("hardware.zero=3", "hardware.offload=none", "optimizer.states=fp32"),
    ("hardware.zero=3", "hardware.offload=all", "optimizer.states=fp32"),
)
"""Settings that hold the same training in other amounts of memory."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How many GPUs of a given memory a run needs in one way.

    Attributes:
        settings: The settings of this way.
        configured: Whether they are those of the run.
        devices: The smallest number of GPUs; None if even the most of `NUMBERS` are too few.
        device: Bytes that each of them, or of the most, holds.
        host: Bytes of CPU memory of all of them together.
    """

    settings: tuple[str, ...]
    configured: bool
    devices: int | None
    device: float
    host: float


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

    def fits(self, memory: float) -> list[Fit]:
        """The smallest number of GPUs with `memory` bytes each, in every way that is possible."""
        ways = WAYS if self.config.optimizer.muon is None else WAYS[:1]
        return [self._fit(settings, memory) for settings in ways]

    def _fit(self, settings: tuple[str, ...], memory: float) -> Fit:
        now = changed(self.config, settings)
        for devices in NUMBERS:
            several = replace(now, hardware=replace(now.hardware, devices=devices))
            lines = _held(several, self.architecture, self.parts, self.data.shape)
            device = sum(line.device for line in lines)
            enough = device <= ROOM * memory
            if enough:
                break
        return Fit(
            settings=settings,
            configured=now == self.config,
            devices=devices if enough else None,
            device=device,
            host=devices * sum(line.host for line in lines),
        )


def _held(
    config: TrainingConfig, shape: ViCAConfig, parts: Sequence[PartCount], pack: PackShape
) -> list[Held]:
    return cost.held(
        shape,
        parts,
        config.hardware,
        config.learning_rates,
        pack,
        config.batch.packs_per_device,
        config.optimizer.states,
    )


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
        held=_held(config, shape, parts, data.shape),
        sizes=sizes(parts, hardware, config.optimizer.states),
        shared=shared_bytes(config, pixels(shape, data.shape)),
    )
