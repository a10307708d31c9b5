"""Errors that a user can fix, and the wording of their messages."""

from __future__ import annotations

import re
from pathlib import Path


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


class MemoryShortError(VicaError):
    """A video, or one question about it, that the device has no memory for."""


class RecipeError(VicaError):
    """A training recipe, or a setting of one, that does not exist or cannot be trained."""


class DataError(VicaError):
    """Training data that is missing or damaged, or of which too many records are bad."""


class TrainingError(VicaError):
    """A training run that cannot start, go on or be resumed."""


def counted(number: float, one: str, many: str | None = None) -> str:
    """The number with its noun: `1 video`, `2 videos`, `1,500 prompt tokens`.

    Args:
        number: How many; a fraction is shown as it is.
        one: What stands after 1: a noun, with its adjectives before it or with its verb after it.
        many: What stands after any other number, where that is more than a plural of the last word.
    """
    shown = f"{number:,.10g}" if isinstance(number, float) else f"{number:,}"
    return f"{shown} {one if number == 1 else many or _plural(one)}"


def an(words: str) -> str:
    """The words with the article that their sound asks for: `an object_counting`, `a unit`."""
    return f"{'an' if _VOWEL.match(words) else 'a'} {words}"


def _plural(noun: str) -> str:
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


_VOWEL = re.compile(r"(?!(?i:uni|us[aei]|uint|eu|one\b|u\d))(?i:[aeio]|u)|[FHLMNRSX](?=[A-Z0-9]|$)")
"""How words begin that are said with a vowel; capitals are spelled out, as in NDArray."""


START = b"version https://git-lfs.github.com/spec/"


def pointer(path: Path) -> str:
    """What to say of a file that is a Git-LFS pointer, without its path; empty for all others."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with path.open("rb") as file:
            is_pointer = file.read(len(START)) == START
    except OSError:
        return ""
    if not is_pointer:
        return ""
    return (
        "is a Git-LFS pointer in place of the file: type `git lfs pull` in its repository, or "
        "download the file"
    )
