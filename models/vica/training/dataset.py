"""From conversations to batches: labels, frames, one sequence for one video, and the dataset."""

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
"""A mark in some of the LLaVA data, which the original removes wherever it stands."""


def training_turns(conversation: Conversation, *, time_instruction: str = "") -> list[chat.Turn]:
    """The turns as they are trained on, `<image>` at the start of the first if there is a visual.

    `time_instruction` (`vica.chat.time_instruction`) goes into videos only.
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
    """Ids, -200 for the visual, and labels, -100 where there is no loss, of one conversation.

    The model's turns carry loss on all their tokens; so do, in every turn, the tokens that start
    and end a turn and lone newlines.
    """
    turns = training_turns(conversation, time_instruction=time_instruction)
    return chat.labelled(turns, tokenizer)


class UnreadableError(VicaError):
    """A video or an image that is there but cannot be read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """A video or image in uint8, as the model takes it, None for text alone.

    `time_instruction` says when each frame is; it is empty for all but videos.
    """

    visual: Visual | None
    time_instruction: str = ""


def see(conversation: Conversation, processor: ViCAProcessor, *, frames: int, timed: bool) -> Seen:
    """What a conversation shows: `frames` frames of a video spread evenly, or an image's tiles.

    With `timed` the text is told the times of the frames, as in the published training. Raises
    UnreadableError naming the record and the file.
    """
    path = conversation.visual
    if path is None:
        return Seen(visual=None)
    try:
        if conversation.kind == VIDEO:
            shown = read_frames(path, frames)
            times = time_instruction(shown.duration, shown.seconds) if timed else ""
            return Seen(
                visual=processor.video(shown.pixels_THWC, levels=True), time_instruction=times
            )
        return Seen(visual=processor.image(read_image(path), levels=True))
    except (VideoError, DataError, OSError, ValueError, SyntaxError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnreadableError(
            f"{conversation.file}, record {conversation.index}: {path} cannot be read: {reason}"
        ) from error


def read_image(path: Path) -> Image.Image:
    """An image in RGB, from a file of its own or a row of a parquet file.

    Raises OSError, ValueError or SyntaxError, as Pillow does, for what is no image.
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


TIME_INSTRUCTION, FRAME_TIME = 200, 12
"""More ids than the time instruction has without its times, and than one time has ("1234.56s,")."""
FIXED_TEXT = 64
"""More ids than stand around a visual in every conversation: the system turn, the user's role."""


class PackDataset(Dataset[Sequenced]):
    """`[i]` is the i-th pack of a plan; a visual that cannot be read makes it an empty one."""

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
        """Decode and tokenise a pack; what cannot be read is named in its `faults`."""
        members = [self.conversations[number] for number in self.packs[index]]
        if not members:
            return sequence([])
        try:
            seen = see(members[0], self.processor, frames=self.frames, timed=self.timed)
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
        """How many ids fit: what is longer is cut at its end, as in the published training."""
        config = self.processor.config
        taken = visual_tokens(visual, config) - 1 if visual else 0
        return config.tokenizer_model_max_length - taken


def visual_tokens(visual: Visual, config: ViCAConfig) -> int:
    """How many tokens `ViCA.encode` makes of a video or an image."""
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
    """What conversations take at most, for planning packs before anything is decoded."""

    def __init__(self, processor: ViCAProcessor, *, frames: int, timed: bool) -> None:
        self.tokenizer = processor.tokenizer
        self.config = processor.config
        self.frames = frames
        self.timed = timed

    def shared(self, conversation: Conversation) -> int:
        """Positions of a visual, and of the text before each conversation's own."""
        if conversation.visual is None:
            return 0
        if conversation.kind != VIDEO:
            return FIXED_TEXT + self._image()
        times = TIME_INSTRUCTION + FRAME_TIME * self.frames if self.timed else 0
        return FIXED_TEXT + times + self.config.layout.video(self.frames).total

    def own(self, conversation: Conversation) -> int:
        """Ids of a conversation without a time instruction."""
        return len(labelled(conversation, self.tokenizer)[0])

    def check(self) -> None:
        """Raise BudgetError when a video with its fixed text leaves no room for a conversation."""
        budget = self.config.layout.video(self.frames)
        fixed = FIXED_TEXT + (TIME_INSTRUCTION + FRAME_TIME * self.frames if self.timed else 0)
        if budget.total + fixed >= budget.context:
            budget.check(fixed)
            raise BudgetError(f"no room for text with {counted(self.frames, 'frame')}: use fewer")

    def _image(self) -> int:
        """The most that an image's map, with a newline a row, and its whole can be."""
        side, config = self.config.siglip_side, self.config
        area = config.max_tiles * SHRINK_ABOVE**2 * side**2
        rows = max(height for _, height in config.pinpoints)
        newlines = rows // config.siglip_size * side
        spatial = (
            config.hiera_side * (config.hiera_side + 1) if isinstance(config, ViCA2Config) else 0
        )
        return side**2 + math.ceil(area) + newlines + spatial
