"""How far two ways of computing an answer agree: from a shared prefill, and each prompt alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One question answered both ways.

    `difference` is the largest one between logits, as long as the replies go together; `parted` is
    the token from which they do not, and `margin` the difference of the two best logits there,
    for the prompt alone. Both are None for the same reply.
    """

    question_id: str
    shared: str
    alone: str
    difference: float
    parted: int | None = None
    margin: float | None = None

    @property
    def same(self) -> bool:
        """Whether the replies are the same, token by token."""
        return self.parted is None
