"""The noun of the training data: one conversation about one video, one image, or none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["video", "image", "text"]
VIDEO: Kind = "video"
IMAGE: Kind = "image"
TEXT: Kind = "text"

HUMAN, GPT = "human", "gpt"
"""Who speaks, as the files spell it."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A record of the training data as it stands in its file.

    `turns` are (`human` or `gpt`, text) and alternate, a human first; the first text holds one
    `<image>` if there is a `visual`, the file of the video or image, and no text holds another.
    `file` and `index` (counted from 0) say where the record is from.
    """

    id: str
    turns: tuple[tuple[str, str], ...]
    visual: Path | None
    kind: Kind
    file: Path
    index: int
