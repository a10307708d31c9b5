"""Which part of the model a parameter belongs to, and so whether and how fast it is trained.

As the published code tells them apart, by name: what belongs to no encoder and no projector is the
language model's, `image_newline` too. There the spatial projector was trained with the language
model; here it is a part of its own, since stage 1 trains it alone.
"""

from __future__ import annotations

from vica.training.config import LearningRates

HIERA = "spatial_encoder"
LANGUAGE_MODEL = "language_model"
PREFIXES = {
    "semantic_encoder": "model.vision_tower.",
    "semantic_projector": "model.mm_projector.",
    HIERA: "model.sam_tower.",
    "spatial_projector": "model.sam_projector.",
}
"""How our names of a part's parameters begin; all others are the language model's."""
PARTS = (LANGUAGE_MODEL, *PREFIXES)


def part_of(parameter: str) -> str:
    """The part that the parameter of this name belongs to, one of `PARTS`."""
    return next((p for p, start in PREFIXES.items() if parameter.startswith(start)), LANGUAGE_MODEL)


def learning_rate(rates: LearningRates, part: str) -> float | None:
    """The peak learning rate of a part; None if it is frozen, as Hiera always is."""
    rate: float | None = None if part == HIERA else getattr(rates, part)
    return rate
