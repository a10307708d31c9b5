"""The packs of a run as a dataset: each is read, decoded and tokenised when it is its turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from torch.utils.data import Dataset

from vica.config import ViCA2Config, ViCAConfig
from vica.errors import BudgetError, counted
from vica.images import grid_of, unpadded
from vica.merging import Visual
from vica.processing import ViCAProcessor
from vica.towers import SHRINK_ABOVE
from vica.training.batches import Sample, Sequenced, sequence
from vica.training.index import Conversations
from vica.training.masks import labelled
from vica.training.packing import Pack
from vica.training.types import VIDEO, Conversation
from vica.training.videos import UnreadableError, see

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
