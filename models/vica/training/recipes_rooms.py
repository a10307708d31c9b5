"""Rooms: a ViCA2 in small, trained from nothing on a CPU, by the same engine as the large ones.

Two stages: lessons (`vica.training.pretraining`), which take the place of all that the large
models bring with them, and conversations, everything but Hiera, all of a film's in one pack, a
checkpoint every 5% of the data. Only Muon and the rates are not as published: they are those of a
model of two million parameters.
"""

from __future__ import annotations

from pathlib import Path

from vica.training.config import (
    Batch,
    Hardware,
    LearningRates,
    Logging,
    Mixture,
    Optimizer,
    Saving,
    Source,
    TrainingConfig,
)
from vica.training.pretraining import Pretraining

RATE = 4e-3
VISION_RATE = 4e-4
"""A tenth: what lessons have taught is to be kept."""
NAME = "ViCA2-Rooms"


def rooms_lessons(
    start: Path, data: Path, output: Path, *, steps: int = 900, seed: int = 0
) -> Pretraining:
    """Stage 1: what films show, four films a step."""
    return Pretraining(base=str(start), data=str(data), output=str(output), steps=steps, seed=seed)


def rooms(base: str, data: str, output: str, *, name: str = NAME, seed: int = 0) -> TrainingConfig:
    """Stage 2: the conversations of the training rooms, four films a step, each once."""
    return TrainingConfig(
        name=name,
        base=base,
        shape="vica2-rooms",
        mixture=Mixture(sources=(Source(path=data, format="vica-base"),)),
        learning_rates=LearningRates(
            language_model=RATE,
            semantic_encoder=VISION_RATE,
            semantic_projector=VISION_RATE,
            spatial_projector=VISION_RATE,
        ),
        output=output,
        frames=12,
        time_instruction=False,
        optimizer=Optimizer(beta2=0.98, weight_decay=0.02, muon=5.0, layer_decay=0.65),
        batch=Batch(packs_per_device=4, pack=32, max_tokens=2048, loss_group=0),
        hardware=Hardware(
            device="cpu",
            precision="fp32",
            attention="sdpa",
            gradient_checkpointing=False,
            workers=0,
        ),
        saving=Saving(every=0.05),
        logging=Logging(tensorboard=False),
        seed=seed,
    )
