"""Turning conversations into batches: labels, frames, one sequence per pack, and the dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from vica import chat
from vica.chat import IGNORED, PLACEHOLDER_ID, time_instruction
from vica.config import ViCA2Config, ViCAConfig
from vica.errors import BudgetError, DataError, InputError, VicaError, counted
from vica.images import grid_of, unpadded
from vica.merging import Visual, stacked
from vica.processing import ViCAProcessor
from vica.segments import PADDING, segment_ids
from vica.towers import SHRINK_ABOVE
from vica.training import files
from vica.training.index import Conversations
from vica.training.packing import Pack
from vica.training.records import HUMAN, VIDEO, Conversation
from vica.video import VideoError, read_frames

NOISE = "QA_GT_caption_based_noisy"
"""A mark in some of the LLaVA data, which the original code removes everywhere."""


def training_turns(conversation: Conversation, *, time_instruction: str = "") -> list[chat.Turn]:
    """The turns for training, with `<image>` at the start of the first if there is a visual.

    `time_instruction` (`vica.chat.time_instruction`) is added for videos only.
    """
    turns = [
        (chat.USER if role == HUMAN else chat.ASSISTANT, text) for role, text in conversation.turns
    ]
    (role, first), rest = turns[0], turns[1:]
    if conversation.kind == VIDEO and time_instruction:
        first = f"{chat.PLACEHOLDER}\n{time_instruction}\n{first.replace(chat.PLACEHOLDER, '')}"
    elif chat.PLACEHOLDER in first and not first.startswith(chat.PLACEHOLDER):
        text = first.replace(chat.PLACEHOLDER, "").strip()
        first = f"{chat.PLACEHOLDER}\n{text}".strip()
    return [(who, text.replace(NOISE, "")) for who, text in [(role, first), *rest]]


def labelled(
    conversation: Conversation, tokenizer: Any, *, time_instruction: str = ""
) -> tuple[list[int], list[int]]:
    """One conversation's ids, -200 for the visual, and labels, -100 for no loss.

    All tokens of the model's turns carry loss; in every turn, so do the tokens that start or end
    a turn, and lone newlines.
    """
    turns = training_turns(conversation, time_instruction=time_instruction)
    return chat.labelled(turns, tokenizer)


class UnreadableError(VicaError):
    """A video or an image that exists but cannot be read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VisualInput:
    """A video or image in uint8, for the model to preprocess; None for text alone.

    `time_instruction` states the frames' times; it is empty except for videos.
    """

    visual: Visual | None
    time_instruction: str = ""


def read_visual(
    conversation: Conversation, processor: ViCAProcessor, *, frames: int, timed: bool
) -> VisualInput:
    """Read a conversation's visual: `frames` evenly spread frames of a video, or an image's tiles.

    With `timed`, the text states the times of the frames, as in the published training.

    Raises:
        UnreadableError: The visual cannot be read; names the record and the file.
    """
    path = conversation.visual
    if path is None:
        return VisualInput(visual=None)
    try:
        if conversation.kind == VIDEO:
            shown = read_frames(path, frames)
            times = time_instruction(shown.duration, shown.seconds) if timed else ""
            return VisualInput(
                visual=processor.video(shown.pixels_THWC, levels=True), time_instruction=times
            )
        return VisualInput(visual=processor.image(read_image(path), levels=True))
    except (VideoError, DataError, OSError, ValueError, SyntaxError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnreadableError(
            f"{conversation.file}, record {conversation.index}: {path} cannot be read: {reason}"
        ) from error


def read_image(path: Path) -> Image.Image:
    """Read an image in RGB, from an image file or a row of a parquet file.

    Raises:
        OSError: The file is not an image, or the image is too large. Pillow may also raise
            ValueError or SyntaxError.
    """
    try:
        if files.is_row(path):
            return files.image(path).convert("RGB")
        with files.opened(path) as opened:
            return opened.convert("RGB")
    except Image.DecompressionBombError as error:
        raise OSError(f"the image is too large: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A conversation's ids, -200 for its visual, and their labels, -100 for no loss."""

    ids: Sequence[int]
    labels: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Target:
    """The `id` that index `source` of a pack's ids must predict.

    `sample` is the index within the pack of the conversation whose loss it belongs to.
    """

    source: int
    id: int
    sample: int


@dataclass(frozen=True, kw_only=True)
class Sequenced:
    """One pack: ids and segments [S], its targets, and the visual of its placeholder.

    `faults` describe what could not be read; `lost` counts the conversations missing for it.
    """

    ids: Sequence[int]
    segments_S: Tensor
    targets: Sequence[Target]
    samples: int
    visual: Visual | None = None
    faults: tuple[str, ...] = ()
    lost: int = 0


def sequence(samples: Sequence[Sample], visual: Visual | None = None) -> Sequenced:
    """Join samples about one visual, or about none, into one sequence.

    Raises:
        InputError: A sample does not have the placeholder that the visual needs, or differs from
            the others before it.
    """
    for sample in samples:
        if list(sample.ids).count(PLACEHOLDER_ID) != (visual is not None):
            raise InputError(
                "each conversation of a pack needs one <image> for a visual, and none without"
            )
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
    """The length of the common prefix of all rows; the whole length of a single row."""
    if not rows:
        return 0
    # All rows share what the smallest and the largest share.
    first, last = min(map(list, rows)), max(map(list, rows))
    for index, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return index
    return len(first)


def _targets(sample: Sample, number: int, prefix: int, start: int) -> Iterator[Target]:
    """The targets of a sample, with their sources as indices into the pack."""
    for index, label in enumerate(sample.labels):
        if index and label != IGNORED:
            before = index - 1
            source = before if before < prefix else start + before - prefix
            yield Target(source=source, id=label, sample=number)


def collate(sequences: Sequence[Sequenced], *, loss_group: int, pad: int) -> dict[str, Any]:
    """Collate B packs into tensors.

    Args:
        sequences: The packs.
        loss_group: How many consecutive conversations form a group, whose targets are averaged;
            0 makes every target a group.
        pad: The id for padding.

    Returns:
        `input_ids` and `segments` [B, S]; `sources` [U], indices into the B x S ids; for each
        target its id `targets` [T], the index of its source `source_of` [T] and the number of
        targets in its group `sizes` [T]; the number of `groups`; and the tensors of
        `vica.merging.stacked`.
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
    """For all targets of B packs the source's index, the id and the group's number; int64 [T]."""
    rows: list[tuple[int, int, int]] = []
    before = 0
    for row, one in enumerate(sequences):
        for t in one.targets:
            group = (before + t.sample) // loss_group if loss_group else len(rows)
            rows.append((row * longest + t.source, t.id, group))
        before += one.samples
    columns = torch.tensor(rows, dtype=torch.int64).view(-1, 3).T.contiguous()
    return columns[0], columns[1], columns[2]


TIME_INSTRUCTION, FRAME_TIME = 200, 12
"""Upper bounds on the ids of the time instruction without times, and of one time ("1234.56s,")."""
FIXED_TEXT = 64
"""Upper bound on the ids around a visual in every conversation: system turn and user's role."""


class PackDataset(Dataset[Sequenced]):
    """The packs of a plan by index; a pack whose visual cannot be read is empty."""

    def __init__(
        self,
        conversations: Conversations,
        packs: Sequence[Pack],
        processor: ViCAProcessor,
        *,
        frames: int,
        timed: bool,
    ) -> None:
        self.conversations = conversations
        self.packs = packs
        self.processor = processor
        self.frames = frames
        self.timed = timed

    def __len__(self) -> int:
        return len(self.packs)

    def __getitem__(self, index: int) -> Sequenced:
        """Decode and tokenise a pack; its `faults` name a visual that cannot be read."""
        members = [self.conversations[number] for number in self.packs[index]]
        if not members:
            return sequence([])
        try:
            seen = read_visual(members[0], self.processor, frames=self.frames, timed=self.timed)
        except UnreadableError as error:
            return replace(sequence([]), faults=(str(error),), lost=len(members))
        room = self._room(seen.visual)
        samples = []
        for conversation in members:
            ids, labels = labelled(
                conversation, self.processor.tokenizer, time_instruction=seen.time_instruction
            )
            samples.append(Sample(ids=ids[:room], labels=labels[:room]))
        return sequence(samples, seen.visual)

    def _room(self, visual: Visual | None) -> int:
        """How many ids fit; longer samples are cut at their end, as in the published training."""
        config = self.processor.config
        taken = visual_tokens(visual, config) - 1 if visual else 0
        return config.tokenizer_model_max_length - taken


def visual_tokens(visual: Visual, config: ViCAConfig) -> int:
    """How many tokens `ViCA.encode` returns for a video or an image."""
    layout = config.layout
    if visual.image_size is None:
        return layout.video(len(visual.pixels_FCHW)).total
    side, size = config.siglip_side, visual.image_size
    down, across = grid_of(size, config.pinpoints, config.siglip_size)
    row, column = unpadded((down * side, across * side), size)
    height, width = row.stop - row.start, column.stop - column.start
    times = math.sqrt(height * width / (config.max_tiles * side**2))
    if times > SHRINK_ABOVE:
        height, width = int(height // times), int(width // times)
    spatial = config.hiera_side * (config.hiera_side + 1) if isinstance(config, ViCA2Config) else 0
    return int(side**2 + height * (width + 1) + spatial)


class Bounds:
    """Upper bounds on the lengths of conversations, to plan packs before decoding anything."""

    def __init__(self, processor: ViCAProcessor, *, frames: int, timed: bool) -> None:
        self.tokenizer = processor.tokenizer
        self.config = processor.config
        self.frames = frames
        self.timed = timed

    def shared(self, conversation: Conversation) -> int:
        """Bound on the positions of a visual and of the text that its conversations share."""
        if conversation.visual is None:
            return 0
        if conversation.kind != VIDEO:
            return FIXED_TEXT + self._image()
        times = TIME_INSTRUCTION + FRAME_TIME * self.frames if self.timed else 0
        return FIXED_TEXT + times + self.config.layout.video(self.frames).total

    def own(self, conversation: Conversation) -> int:
        """The ids of a conversation without a time instruction."""
        return len(labelled(conversation, self.tokenizer)[0])

    def check(self) -> None:
        """Raise BudgetError if a video with its fixed text leaves no room for a conversation."""
        budget = self.config.layout.video(self.frames)
        fixed = FIXED_TEXT + (TIME_INSTRUCTION + FRAME_TIME * self.frames if self.timed else 0)
        if budget.total + fixed >= budget.context:
            budget.check(fixed)
            raise BudgetError(
                f"{counted(self.frames, 'frame leaves', 'frames leave')} no room for text: use "
                "fewer"
            )

    def _image(self) -> int:
        """Bound on the tokens of an image: the whole, and its map with a newline per row."""
        side, config = self.config.siglip_side, self.config
        area = config.max_tiles * SHRINK_ABOVE**2 * side**2
        rows = max(height for _, height in config.pinpoints)
        newlines = rows // config.siglip_size * side
        spatial = (
            config.hiera_side * (config.hiera_side + 1) if isinstance(config, ViCA2Config) else 0
        )
        return side**2 + math.ceil(area) + newlines + spatial
