"""What an API replied, and what that took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MOST = 10**12
"""Tokens; more is nonsense, and might be more than a float holds."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one call as the server counted them; None where it did not say.

    `cached_tokens` are those of `prompt_tokens` that the server had in its cache; `new_tokens`
    include what the model thought, which providers charge like its reply.
    """

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    new_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A reply that came whole, or cut at the limit of tokens (`stop` is `length`).

    `served_by` is the model's name as the server reports it, `without` the settings that this
    model refused and that were left out. `cost` is None without a price; `attempts` counts the
    calls it took, `seconds` from the first of them to the reply, waiting included.
    """

    text: str
    stop: str
    usage: Usage
    served_by: str | None = None
    without: tuple[str, ...] = ()
    cost: float | None = None
    attempts: int = 1
    seconds: float = 0.0


def count(value: Any) -> int | None:
    """A number of tokens from a server, None for anything that is none."""
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
    return value if good else None
