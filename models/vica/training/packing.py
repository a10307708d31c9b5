"""Which conversations share a sequence, and in which order the sequences are trained on.

A pack is one video, image or nothing, and up to `batch.pack` of the conversations about it. The
order of a whole run is decided before it begins, from the seed and the data alone: it is the same
for any number of processes and workers, and a run that was stopped goes on where it was. No torch
is needed to plan.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vica.training.config import Batch, TrainingConfig
from vica.training.types import Conversation

Pack = tuple[int, ...]
"""The indices of the conversations in one sequence; none in those that fill up the last step."""
TURN_MARKS = 8
"""More than the ids around a turn: its start, role and end, and the newlines."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The packs of a run in their order, whole steps of them.

    `order_digest` identifies the data and the order: it is over every conversation's identity
    and its place.
    """

    packs: tuple[Pack, ...]
    packs_per_step: int
    order_digest: str

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return len(self.packs) // self.packs_per_step

    @property
    def conversations(self) -> int:
        """How many conversations are trained on, those of later epochs counted again."""
        return sum(map(len, self.packs))


Length = Callable[[Conversation], int]
"""How many positions something about a conversation takes, at most."""


def make_plan(
    conversations: Sequence[Conversation],
    config: TrainingConfig,
    *,
    shared: Length,
    own: Length,
) -> Plan:
    """The plan of a run over `conversations`.

    `shared(conversation)` bounds the positions of its visual and of what all conversations about
    it have in common; `own` counts those of its own text. Each epoch packs and orders afresh.
    """
    batch = config.batch
    groups, chain = _grouped(conversations)
    lengths = _Lengths(conversations, shared, own)
    packs: list[Pack] = []
    for epoch in range(math.ceil(config.epochs)):
        generator = random.Random(f"{config.seed}/{epoch}")
        of_epoch = [p for group in groups for p in _packed(group, batch, lengths, generator)]
        generator.shuffle(of_epoch)
        share = min(1.0, config.epochs - epoch)
        packs += of_epoch[: math.ceil(len(of_epoch) * share)]
    per_step = batch.packs_per_device * batch.accumulation * config.hardware.devices
    packs += [()] * (-len(packs) % per_step)
    chain.update(repr(packs).encode())
    return Plan(
        packs=tuple(packs),
        packs_per_step=per_step,
        order_digest=f"sha256:{chain.hexdigest()}",
    )


def text_bound(conversation: Conversation) -> int:
    """More ids than a conversation's turns can take: a token of bytes is a byte at least."""
    return sum(len(text.encode()) + TURN_MARKS for _, text in conversation.turns)


class _Lengths:
    """Positions of conversations; text is tokenised only where the bound on it is not enough."""

    def __init__(self, conversations: Sequence[Conversation], shared: Length, own: Length) -> None:
        self.conversations = conversations
        self.shared = shared
        self.own = own

    def fits(self, indices: Sequence[int], limit: int) -> bool:
        """Whether these may be one sequence."""
        members = [self.conversations[index] for index in indices]
        room = limit - self.shared(members[0])
        return sum(map(text_bound, members)) <= room or sum(map(self.own, members)) <= room


def _grouped(
    conversations: Iterable[Conversation],
) -> tuple[list[list[int]], hashlib._Hash]:
    """Indices by what their conversations show, text-only ones together; a hash of the data."""
    groups: dict[Path | None, list[int]] = defaultdict(list)
    chain = hashlib.sha256()
    for index, conversation in enumerate(conversations):
        groups[conversation.visual].append(index)
        chain.update(
            repr(
                (
                    conversation.id,
                    conversation.turns,
                    conversation.visual and conversation.visual.name,
                )
            ).encode()
        )
    return list(groups.values()), chain


def _packed(
    group: Sequence[int], batch: Batch, lengths: _Lengths, generator: random.Random
) -> list[Pack]:
    """A group, shuffled, cut to packs of at most `batch.pack` that fit `batch.max_tokens`."""
    rest = list(group)
    generator.shuffle(rest)
    packs: list[Pack] = []
    while rest:
        count = min(batch.pack, len(rest))
        while count > 1 and not lengths.fits(rest[:count], batch.max_tokens):
            count -= 1
        packs.append(tuple(rest[:count]))
        del rest[:count]
    return packs
