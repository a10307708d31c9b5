"""Rooms: a ViCA2 in small, trained from nothing on a CPU, by the same engine as the large ones.

Three stages. Lessons (`vica.training.pretraining`) take the place of what SigLIP, Hiera and Qwen2
bring with them; exercises, questions that no benchmark asks, that of the general conversations of
stage 2; what they give is the base that comes with vicabench. The third is ViCA's own: the
benchmark's kinds of questions, a checkpoint every 5% of the data. In the last two everything but
Hiera learns, all conversations about a film in one pack. Only Muon and the rates are not as
published: they are those of a model of two million parameters.
"""

from __future__ import annotations

from dataclasses import replace

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

RATE = 4e-3
VISION_RATE = 4e-4
"""A tenth: what lessons have taught is to be kept."""
NAME, BASE = "ViCA2-Rooms", "ViCA2-Rooms-base"
DATA = "rooms-train"
EXERCISE_EPOCHS = 2.0
CONVERSATIONS, FILMS = 60_880, 3_200
"""Of the rooms that `vicabench data training-rooms` makes unless it is told otherwise."""


def rooms_exercises(
    base: str, data: str, output: str, *, epochs: float = EXERCISE_EPOCHS, seed: int = 0
) -> TrainingConfig:
    """Rooms, stage 2: exercises alone, as a single checkpoint."""
    exercises = Source(path=f"{data}/exercises", format="vica-base", media=data)
    return replace(
        rooms(base, data, output, name=BASE, seed=seed),
        mixture=Mixture(sources=(exercises,)),
        epochs=epochs,
        saving=Saving(every=1.0),
    )


def rooms(
    base: str = "vica2-rooms-base",
    data: str = DATA,
    output: str = "checkpoints/ViCA2-Rooms",
    *,
    name: str = NAME,
    seed: int = 0,
) -> TrainingConfig:
    """Rooms, a ViCA2 of 1.8M parameters on a CPU: the benchmark's kinds of questions.

    Four films a step, `data` as `vicabench data training-rooms` makes it.
    """
    rooms_to_train_on = Source(
        path=data, format="vica-base", published=CONVERSATIONS, visuals=FILMS
    )
    return TrainingConfig(
        name=name,
        base=base,
        shape="vica2-rooms",
        mixture=Mixture(sources=(rooms_to_train_on,)),
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
