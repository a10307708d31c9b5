"""Errors that a user can fix, and helpers that word their messages."""

from __future__ import annotations

import re
from pathlib import Path


class VicaError(Exception):
    """Base class of the errors of this package."""


class CheckpointError(VicaError):
    """A checkpoint that is missing, incomplete, damaged, untrusted or of another family."""


class BudgetError(VicaError):
    """More tokens than the model's context holds, or a token ratio that cannot be built."""


class InputError(VicaError):
    """Frames, images or text that do not fit together or do not fit the model."""


class ScoresError(VicaError):
    """The model's logits are NaN or infinite, so no token can be chosen."""


class MemoryShortError(VicaError):
    """The device has too little memory for a video, or for one question about it."""


class RecipeError(VicaError):
    """A training recipe, or a setting of one, that does not exist or cannot be trained."""


class DataError(VicaError):
    """Training data that is missing or damaged, or has too many bad records."""


class TrainingError(VicaError):
    """A training run that cannot start, continue or be resumed."""


def counted(number: float, one: str, many: str | None = None) -> str:
    """The number with its noun: `1 video`, `2 videos`, `1,500 prompt tokens`.

    Args:
        number: How many; a fraction is shown unrounded.
        one: The words after 1: a noun, with adjectives before it or a verb after it.
        many: The words after any other number, if they are not `one` with its last word in the
            plural.
    """
    shown = f"{number:,.10g}" if isinstance(number, float) else f"{number:,}"
    return f"{shown} {one if number == 1 else many or _plural(one)}"


def an(words: str) -> str:
    """The words with the article that fits their sound: `an object_counting`, `a unit`."""
    return f"{'an' if _VOWEL.match(words) else 'a'} {words}"


def _plural(noun: str) -> str:
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


_VOWEL = re.compile(r"(?!(?i:uni|us[aei]|uint|eu|one\b|u\d))(?i:[aeio]|u)|[FHLMNRSX](?=[A-Z0-9]|$)")
"""Beginnings of words pronounced with a vowel; capitals are spelled out, as in NDArray."""


START = b"version https://git-lfs.github.com/spec/"


def pointer(path: Path) -> str:
    """The message for a file that is a Git-LFS pointer, without its path; else an empty string."""
    try:
        if not path.is_file():  # opening a pipe would block
            return ""
        with path.open("rb") as file:
            is_pointer = file.read(len(START)) == START
    except OSError:
        return ""
    if not is_pointer:
        return ""
    return (
        "is a Git-LFS pointer, not the file: run `git lfs pull` in its repository, or download "
        "the file"
    )
