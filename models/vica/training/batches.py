"""Conversations to tensors: one sequence with one prefix for all conversations about a video.

The prefix is what their ids have in common, each tokenised as if it stood alone, so that packed
and unpacked training see the same ids. A loss-carrying id is a target of the position that
predicts it; a position of the prefix can have a target for each conversation.

Shapes: B packs, S ids (a visual is one id), T targets, U positions that predict any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from vica.chat import IGNORED, PLACEHOLDER_ID
from vica.errors import InputError
from vica.merging import Visual, stacked
from vica.segments import PADDING, segment_ids


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A conversation's ids, -200 where its visual stands, and their labels, -100 without loss."""

    ids: Sequence[int]
    labels: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Target:
    """The id that the position after index `source` of a pack's ids should have been given.

    `sample` is the conversation, counted within its pack, whose loss it belongs to.
    """

    source: int
    id: int
    sample: int


@dataclass(frozen=True, kw_only=True)
class Sequenced:
    """One pack: ids and segments [S], its targets, and the visual that the placeholder is for.

    `faults` say what could not be read, and `lost` how many conversations are missing for it.
    """

    ids: Sequence[int]
    segments_S: Tensor
    targets: Sequence[Target]
    samples: int
    visual: Visual | None = None
    faults: tuple[str, ...] = ()
    lost: int = 0


def sequence(samples: Sequence[Sample], visual: Visual | None = None) -> Sequenced:
    """Samples about one visual, or about none, in one sequence.

    Raises InputError when a sample does not show what the others show.
    """
    for sample in samples:
        if list(sample.ids).count(PLACEHOLDER_ID) != (visual is not None):
            raise InputError("each conversation of a pack has one <image> if there is a visual")
    prefix = common_prefix([sample.ids for sample in samples])
    if visual is not None and samples and PLACEHOLDER_ID not in samples[0].ids[:prefix]:
        raise InputError("the conversations of a pack differ before their <image>")
    rests = [sample.ids[prefix:] for sample in samples]
    starts = [prefix + sum(map(len, rests[:k])) for k in range(len(rests))]
    targets = [
        target
        for k, (sample, start) in enumerate(zip(samples, starts, strict=True))
        for target in _targets(sample, k, prefix, start)
    ]
    return Sequenced(
        ids=[*(samples[0].ids[:prefix] if samples else ()), *chain.from_iterable(rests)],
        segments_S=segment_ids(prefix, [len(rest) for rest in rests]),
        targets=targets,
        samples=len(samples),
        visual=visual,
    )


def common_prefix(rows: Sequence[Sequence[int]]) -> int:
    """How many ids all rows begin with in common; all of them if there is one row."""
    if not rows:
        return 0
    first, last = min(map(list, rows)), max(map(list, rows))  # the others lie between these two
    for index, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return index
    return len(first)


def _targets(sample: Sample, number: int, prefix: int, start: int) -> Iterator[Target]:
    """What a sample's ids after its first are to be predicted from, in its pack."""
    for index, label in enumerate(sample.labels):
        if index and label != IGNORED:
            before = index - 1
            source = before if before < prefix else start + before - prefix
            yield Target(source=source, id=label, sample=number)


def collate(sequences: Sequence[Sequenced], *, loss_group: int, pad: int) -> dict[str, Any]:
    """The tensors of B packs.

    `input_ids` and `segments` [B, S]; `sources` [U], indices into their B x S ids; for each
    target its id `targets` [T], its source among the U `source_of` [T], and `sizes` [T]: how
    many targets there are in its group of `loss_group` consecutive conversations, or 1 each if
    that is 0. `groups` is the number of groups. The rest is what `vica.merging.stacked` gives.
    """
    longest = max(1, *(len(one.ids) for one in sequences))
    ids_BS = torch.full((len(sequences), longest), pad)
    segments_BS = torch.full((len(sequences), longest), PADDING)
    for row, one in enumerate(sequences):
        ids_BS[row, : len(one.ids)] = torch.tensor(one.ids, dtype=torch.int64)
        segments_BS[row, : len(one.ids)] = one.segments_S
    sources, targets, groups = _flat(sequences, longest, loss_group)
    sources_U, source_of_T = torch.unique(sources, return_inverse=True)
    _, group_of_T, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    return {
        "input_ids": ids_BS,
        "segments": segments_BS,
        "sources": sources_U,
        "source_of": source_of_T,
        "targets": targets,
        "sizes": sizes[group_of_T],
        "groups": len(sizes),
        "packed": bool((segments_BS > 0).any()),
        "conversations": sum(one.samples for one in sequences),
        "lost": sum(one.lost for one in sequences),
        "faults": tuple(chain.from_iterable(one.faults for one in sequences)),
        **stacked([one.visual for one in sequences if one.visual is not None]),
    }


def _flat(
    sequences: Sequence[Sequenced], longest: int, loss_group: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Of all targets of B packs: index of the source, id, and number of the group; int64 [T]."""
    rows: list[tuple[int, int, int]] = []
    before = 0
    for row, one in enumerate(sequences):
        for t in one.targets:
            group = (before + t.sample) // loss_group if loss_group else len(rows)
            rows.append((row * longest + t.source, t.id, group))
        before += one.samples
    columns = torch.tensor(rows, dtype=torch.int64).view(-1, 3).T.contiguous()
    return columns[0], columns[1], columns[2]
