"""Planning which conversations share a sequence, and the order of the sequences.

A pack is one video, image or nothing, and up to `batch.pack` of the conversations about it. The
order of a whole run is fixed before it starts, from the seed and the data alone: it is the same
for any number of processes and workers, and a stopped run resumes where it was. Planning needs no
torch.
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
"""The indices of the conversations in one sequence; empty packs fill up the last step."""
TURN_MARKS = 16
"""Upper bound on the ids around a turn (start, role, end, newlines), even with an id per byte."""
Length = Callable[[Conversation], int]
"""An upper bound on a number of positions of a conversation."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The packs of a run in order, filling whole steps; `digest` covers the data and the order."""

    packs: tuple[Pack, ...]
    packs_per_step: int
    digest: str

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return len(self.packs) // self.packs_per_step

    @property
    def conversations(self) -> int:
        """How many conversations are trained on, counted in every epoch."""
        return sum(map(len, self.packs))


def make_plan(
    conversations: Conversations,
    config: TrainingConfig,
    *,
    shared: Length,
    own: Length,
    progress: Callable[[int], object] | None = None,
) -> Plan:
    """Plan a run over `conversations`; each epoch is packed and shuffled anew.

    Args:
        conversations: The data.
        config: The configuration of the run.
        shared: Bounds the positions that all conversations about a visual share.
        own: Counts the positions of a conversation's own text.
        progress: Called with the number of conversations that were just packed.
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
    """Upper bound on the ids of a conversation's turns: every token has at least one byte."""
    return sum(len(text.encode()) + TURN_MARKS for _, text in conversation.turns)


class _Lengths:
    """Lengths of conversations; texts are tokenised only if their bounds do not fit."""

    def __init__(self, conversations: Conversations, shared: Length, own: Length) -> None:
        self.conversations = conversations
        self.shared = shared
        self.own = own

    def fitting(self, indices: Sequence[int], limit: int) -> int:
        """How many of these, from the first on, fit into one sequence; at least one.

        Each is read and tokenised at most once, because there are hundreds of thousands.
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
    """Shuffled indices of the conversations about each visual, then of those of text alone."""
    alone = conversations.about_nothing
    shown = [group.tolist() for group in conversations.by_visual if not alone[group[0]]]
    for group in [*shown, alone.nonzero()[0].tolist()]:
        generator.shuffle(group)
        yield group


def _cut(group: Sequence[int], batch: Batch, lengths: _Lengths) -> Iterator[Pack]:
    """Split a group into packs of at most `batch.pack` that fit `batch.max_tokens`."""
    start = 0
    while start < len(group):
        wanted = group[start : start + batch.pack]
        count = lengths.fitting(wanted, batch.max_tokens)
        yield tuple(wanted[:count])
        start += count
