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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

from vica.training.config import Batch, TrainingConfig
from vica.training.index import Conversations
from vica.training.records import Conversation

Pack = tuple[int, ...]
"""The indices of the conversations in one sequence; none in those that fill up the last step."""
TURN_MARKS = 16
"""More than the ids around a turn, its start, role and end and the newlines, if bytes are ids."""
Length = Callable[[Conversation], int]
"""How many positions something about a conversation takes, at most."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The packs of a run in their order, whole steps of them; `digest` is over data and order."""

    packs: tuple[Pack, ...]
    packs_per_step: int
    digest: str

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return len(self.packs) // self.packs_per_step

    @property
    def conversations(self) -> int:
        """How many conversations are trained on, those of later epochs counted again."""
        return sum(map(len, self.packs))


def make_plan(
    conversations: Conversations,
    config: TrainingConfig,
    *,
    shared: Length,
    own: Length,
    progress: Callable[[int], object] | None = None,
) -> Plan:
    """The plan of a run over `conversations`; each epoch packs and orders afresh.

    `shared(conversation)` bounds the positions of its visual and of what all conversations about
    it have in common; `own` counts those of its own text. `progress` is called with how many
    conversations have just been packed.
    """
    batch, packs = config.batch, list[Pack]()
    lengths = _Lengths(conversations, shared, own)
    for epoch in range(math.ceil(config.epochs)):
        generator = random.Random(f"{config.seed}/{epoch}")
        of_epoch = list[Pack]()
        for group in _groups(conversations, generator):
            of_epoch += _cut(group, batch, lengths)
            if progress:
                progress(len(group))
        generator.shuffle(of_epoch)
        share = min(1.0, config.epochs - epoch)
        packs += of_epoch[: math.ceil(len(of_epoch) * share)]
    per_step = batch.packs_per_device * batch.accumulation * config.hardware.devices
    packs += [()] * (-len(packs) % per_step)
    identity = hashlib.sha256(f"{conversations.digest} {packs}".encode()).hexdigest()
    return Plan(packs=tuple(packs), packs_per_step=per_step, digest=f"sha256:{identity}")


def text_bound(conversation: Conversation) -> int:
    """More ids than a conversation's turns can take: a token of bytes is a byte at least."""
    return sum(len(text.encode()) + TURN_MARKS for _, text in conversation.turns)


class _Lengths:
    """Positions of conversations; a text is tokenised only where the bound on it is too much."""

    def __init__(self, conversations: Conversations, shared: Length, own: Length) -> None:
        self.conversations = conversations
        self.shared = shared
        self.own = own

    def fitting(self, indices: Sequence[int], limit: int) -> int:
        """How many of these, from the first on, may be one sequence; one if none is short enough.

        Each is read and tokenised once at most: there are hundreds of thousands of them.
        """
        if len(indices) == 1:
            return 1
        members = [self.conversations[index] for index in indices]
        room = limit - self.shared(members[0])
        if sum(map(text_bound, members)) <= room:
            return len(members)
        ends = accumulate(map(self.own, members))
        return max(1, sum(1 for _ in takewhile(lambda end: end <= room, ends)))


def _groups(conversations: Conversations, generator: random.Random) -> Iterator[list[int]]:
    """Indices of the conversations about each visual, and of all about none, shuffled."""
    alone = conversations.about_nothing
    shown = [group.tolist() for group in conversations.by_visual if not alone[group[0]]]
    for group in [*shown, alone.nonzero()[0].tolist()]:
        generator.shuffle(group)
        yield group


def _cut(group: Sequence[int], batch: Batch, lengths: _Lengths) -> Iterator[Pack]:
    """A group as packs of at most `batch.pack` that fit `batch.max_tokens`."""
    start = 0
    while start < len(group):
        wanted = group[start : start + batch.pack]
        count = lengths.fitting(wanted, batch.max_tokens)
        yield tuple(wanted[:count])
        start += count
