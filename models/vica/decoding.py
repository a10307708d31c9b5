"""Decoding many replies together; those that end leave the batch.

Shapes: K unfinished replies, S new ids of each so far, V rows of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Choose = Callable[[Tensor, Tensor, Sequence[int]], Tensor]
"""Chooses the next ids [K] from the replies' ids [K, S], their float32 logits [K, V] and their
indices."""
Observer = Callable[[int, int, Tensor], None]
"""Called at every step with the index of a reply, its step from 0, and its float32 logits [V]
before processing. A group that is retried because memory was short restarts at step 0."""


class Batch(Protocol):
    """What is decoded: `vica.prefix.Continuations`."""

    def step(self, ids_K: Tensor) -> Tensor:
        """Run one more id of each reply; return the float32 logits [K, V] after it."""

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other replies."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """When a reply ends: after `max_new_tokens`, or with one of the ids `stops`."""

    max_new_tokens: int
    stops: frozenset[int]

    def ends(self, reply: Sequence[int]) -> bool:
        """Whether the reply is complete."""
        return reply[-1] in self.stops or len(reply) >= self.max_new_tokens


def decode(
    batch: Batch,
    logits_KV: Tensor,
    limits: Sequence[Limit],
    choose: Choose,
    observe: Observer | None = None,
) -> list[list[int]]:
    """Decode each reply from its first logits; return its new ids, including the end."""
    replies: list[list[int]] = [[] for _ in limits]
    live = list(range(len(limits)))
    new_KS = torch.empty(len(live), 0, dtype=torch.long, device=logits_KV.device)
    while live:
        for row, index in enumerate(live if observe else ()):
            observe(index, len(replies[index]), logits_KV[row])  # type: ignore[misc]  # no rows without an observer
        ids_K = choose(new_KS, logits_KV, live)
        new_KS = torch.cat([new_KS, ids_K[:, None]], dim=1)
        for index, token in zip(live, ids_K.tolist(), strict=True):
            replies[index].append(token)
        rows = [r for r, index in enumerate(live) if not limits[index].ends(replies[index])]
        if rows and len(rows) < len(live):
            batch.keep(rows)
            new_KS = new_KS[rows]
        live = [live[row] for row in rows]
        if live:
            logits_KV = batch.step(new_KS[:, -1])
    return replies
