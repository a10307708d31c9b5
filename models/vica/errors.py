"""What a user of the models can put right: each message says what is wrong, where, what to do."""

from __future__ import annotations


class VicaError(Exception):
    """The kind that all of these are."""


class CheckpointError(VicaError):
    """A checkpoint that is missing, incomplete, damaged, untrusted or of another family."""


class BudgetError(VicaError):
    """More tokens than the model's context holds, or a token ratio that cannot be built."""


class InputError(VicaError):
    """Frames, images or text that do not fit together or do not fit the model."""


class ScoresError(VicaError):
    """A model whose scores are no numbers, so that nothing can be answered from them."""


class RecipeError(VicaError):
    """A training recipe, or a setting of one, that does not exist or cannot be trained."""


class DataError(VicaError):
    """Training data that is missing or damaged, or of which too many records are bad."""


class TrainingError(VicaError):
    """A training run that cannot start, go on or be resumed."""
