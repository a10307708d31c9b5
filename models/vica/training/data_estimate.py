"""Estimating how many conversations, packs and tokens a run will see.

Data on this machine is counted, and lengths are means over an evenly spread sample. Without the
data, the published numbers are used, and `notes` state what is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from PIL import Image

from vica.chat import IGNORED, PLACEHOLDER, time_instruction
from vica.config import ViCA2Config, ViCAConfig
from vica.errors import DataError, RecipeError, counted
from vica.images import Size, grid_of
from vica.towers import image_tokens
from vica.training import files
from vica.training.config import Source, TrainingConfig
from vica.training.dataset import labelled
from vica.training.flops import PackShape
from vica.training.index import Conversations, Progress, conversations
from vica.training.records import GPT, HUMAN, IMAGE, TEXT, VIDEO, Conversation, Kind
from vica.training.sources import drawn

SAMPLE = 256
"""How many conversations, and how many packs, have their lengths averaged."""
ASSUMED_IMAGE: Size = (480, 640)
"""Height and width of an image that cannot be read."""
SHOWN = 3
"""How many bad records are listed."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The data of a run: the number of `packs` in an epoch, and the mean pack's `shape`.

    `text_counted` says whether the shape includes the text. `problems` describe the first of the
    `bad` records. `notes` state what was counted, published or assumed.
    """

    conversations: int
    visuals: int | None
    packs: int
    shape: PackShape
    text_counted: bool
    bad: int = 0
    problems: tuple[str, ...] = ()
    digest: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VisualSize:
    """The size of a visual: its tokens, and the frames or crops that each encoder sees."""

    tokens: float
    semantic_inputs: float
    spatial_inputs: float


@dataclass(frozen=True, kw_only=True)
class Text:
    """Token counts of a conversation: shared by all about its visual, its own, and labelled."""

    shared: float = 0
    own: float = 0
    shared_labels: float = 0
    own_labels: float = 0


def survey(
    config: TrainingConfig,
    architecture: ViCAConfig,
    tokenizer: Any | None,
    *,
    progress: Progress | None = None,
) -> Survey:
    """Estimate from the data if all of it is here, otherwise from its published numbers.

    Raises:
        DataError: There is neither.
        RecipeError: A video alone overflows a pack.
    """
    video = visual_size(architecture, VIDEO, config.frames)
    if video.tokens > config.batch.max_tokens:
        raise RecipeError(
            f"{counted(config.frames, 'frame makes', 'frames make')} "
            f"{counted(round(video.tokens), 'token')}, more than batch.max_tokens="
            f"{config.batch.max_tokens}: use fewer frames, or more pooling"
        )
    here = [Path(s.path).exists() or "{" in s.path for s in config.mixture.sources]
    if all(here):
        data = conversations(replace(config.mixture, max_bad=1.0), progress=progress)
        return _counted(config, architecture, tokenizer, data)
    return _published(config, architecture)


def visual_size(
    config: ViCAConfig, kind: Kind, frames: int, size: Size = ASSUMED_IMAGE
) -> VisualSize:
    """The size of a video of so many frames, of an image of this (height, width), or of text."""
    if kind == TEXT:
        return VisualSize(tokens=0, semantic_inputs=0, spatial_inputs=0)
    if kind == VIDEO:
        budget = config.layout.video(frames)
        return VisualSize(
            tokens=budget.total, semantic_inputs=frames, spatial_inputs=budget.spatial_frames
        )
    grid = grid_of(size, config.pinpoints, config.siglip_size)
    crops = torch.empty(1 + grid[0] * grid[1], config.siglip_side**2, 1, device="meta")
    newline = torch.empty(1, device="meta")
    row = image_tokens(crops, newline, grid=grid, image_size=size, max_tiles=config.max_tiles)
    spatial = isinstance(config, ViCA2Config)
    side = config.hiera_side if isinstance(config, ViCA2Config) else 0
    return VisualSize(
        tokens=len(row) + side * (side + 1), semantic_inputs=len(crops), spatial_inputs=spatial
    )


def largest(architecture: ViCAConfig, data: Conversations, frames: int) -> VisualSize:
    """The largest visual of an evenly spread sample of conversations."""
    seen = [_visual_size_of(architecture, data[i], frames) for i in _evenly(len(data))]
    return max(seen, key=lambda shown: shown.semantic_inputs + shown.spatial_inputs)


def _counted(
    config: TrainingConfig, architecture: ViCAConfig, tokenizer: Any | None, data: Conversations
) -> Survey:
    """The estimate from data that is here, with any number of bad records."""
    if not len(data):
        raise DataError(
            f"{counted(len(data.problems), 'record')}, all bad; the first: {data.problems[0]}"
        )
    picked = [data[i] for i in _evenly(len(data))]
    text = _text(config, picked, tokenizer) if tokenizer else Text()
    most = config.batch.pack
    if text.own:
        longest = max(visual_size(architecture, c.kind, config.frames).tokens for c in picked)
        room = config.batch.max_tokens - longest - text.shared
        most = max(1, min(most, int(room // text.own)))
    of_group = -(-data.by_visual.sizes // most)
    ends = np.cumsum(of_group)
    chosen = [data.by_visual[int(np.searchsorted(ends, p, "right"))] for p in _evenly(ends[-1])]
    seen = [_visual_size_of(architecture, data[int(group[0])], config.frames) for group in chosen]
    notes = ["conversations and packs are counted in the data"]
    if most < config.batch.pack:
        each = counted(most, "conversation")
        notes = [f"conversations are counted; packs are estimated, with about {each} in a pack"]
    if texts := int(data.about_nothing.sum()):
        notes.append(f"conversations about text alone: {texts:,}")
    notes.append(
        f"lengths are means over {counted(len(picked), 'conversation')} and "
        f"{counted(len(seen), 'pack')}"
        if tokenizer
        else "text and logits are left out, because the checkpoint and its tokenizer are not here"
    )
    return Survey(
        conversations=len(data),
        visuals=data.visuals,
        packs=int(ends[-1]),
        shape=_shape([(s, 1) for s in seen], text, len(data) / float(ends[-1])),
        text_counted=tokenizer is not None,
        bad=len(data.problems),
        problems=tuple(map(str, data.problems[:SHOWN])),
        digest=data.digest,
        notes=tuple(notes),
    )


def _published(config: TrainingConfig, architecture: ViCAConfig) -> Survey:
    """The estimate from the authors' numbers, with conversations spread evenly over visuals."""
    sources, most = config.mixture.sources, config.batch.pack
    totals = [_published_number(source) for source in sources]
    packs = [_spread(source, total, most) for source, total in zip(sources, totals, strict=True)]
    kinds: list[Kind] = [IMAGE if s.format.startswith("llava") else VIDEO for s in sources]
    seen = [visual_size(architecture, kind, config.frames) for kind in kinds]
    visuals = [s.visuals if s.sampling == s.published_of else None for s in sources]
    notes = [
        "the data is not here: its numbers are the published ones",
        "text and logits are left out",
    ]
    if most > 1:
        notes.append("packs are estimated: conversations spread evenly over the visuals")
    if IMAGE in kinds:
        height, width = ASSUMED_IMAGE
        notes.append(f"every record is assumed to have an image of {width} x {height}")
    return Survey(
        conversations=sum(totals),
        visuals=None if None in visuals else sum(v or 0 for v in visuals),
        packs=sum(packs),
        shape=_shape(list(zip(seen, packs, strict=True)), Text(), sum(totals) / sum(packs)),
        text_counted=False,
        notes=tuple(notes),
    )


def _published_number(source: Source) -> int:
    """How many conversations are drawn from a source, by its authors' count."""
    if source.published is not None and source.sampling == source.published_of:
        return source.published
    if source.published is not None and source.published_of == "all":
        return len(drawn(source.sampling, source.published, 0, 0))
    what = "" if source.published is None else f" for sampling {source.sampling}"
    raise DataError(f"{source.path}: does not exist, and no number is published{what}")


def _spread(source: Source, total: int, most: int) -> int:
    """The number of packs of a source; if unknown, each conversation has a different visual."""
    visuals = min(source.visuals or total, total)
    each, more = divmod(total, visuals)
    return more * math.ceil((each + 1) / most) + (visuals - more) * math.ceil(each / most)


def _shape(seen: Sequence[tuple[VisualSize, float]], text: Text, per_pack: float) -> PackShape:
    """The mean pack; a visual's tokens replace its placeholder's id."""
    weight = sum(w for _, w in seen)
    tokens, semantic, spatial = (
        sum(getattr(s, name) * w for s, w in seen) / weight
        for name in ("tokens", "semantic_inputs", "spatial_inputs")
    )
    return PackShape(
        semantic_inputs=semantic,
        spatial_inputs=spatial,
        prefix=tokens + text.shared,
        conversations=per_pack,
        own=text.own,
        predicted=text.shared_labels + per_pack * text.own_labels,
    )


def _visual_size_of(
    architecture: ViCAConfig, conversation: Conversation, frames: int
) -> VisualSize:
    """The size of a conversation's visual; an unreadable image has the assumed size."""
    size = ASSUMED_IMAGE
    if conversation.kind == IMAGE and conversation.visual is not None:
        try:
            size = _image_size(conversation.visual)
        except (OSError, ValueError, SyntaxError, DataError, Image.DecompressionBombError):
            size = ASSUMED_IMAGE
    return visual_size(architecture, conversation.kind, frames, size)


def _image_size(path: Path) -> Size:
    if files.is_row(path):
        image = files.image(path)
        return image.height, image.width
    with files.opened(path) as opened:
        return opened.height, opened.width


def _text(config: TrainingConfig, picked: Sequence[Conversation], tokenizer: Any) -> Text:
    """The mean lengths of some conversations, assuming a second between frames."""
    timed = ""
    if config.time_instruction:
        timed = time_instruction(float(config.frames), [float(s) for s in range(config.frames)])
    lengths = [_lengths(conversation, tokenizer, timed) for conversation in picked]
    return Text(
        shared=fmean(t.shared for t in lengths),
        own=fmean(t.own for t in lengths),
        shared_labels=fmean(t.shared_labels for t in lengths),
        own_labels=fmean(t.own_labels for t in lengths),
    )


def _lengths(conversation: Conversation, tokenizer: Any, timed: str) -> Text:
    """The token counts of a conversation; shared is its common prefix with a different text."""
    start = f"{PLACEHOLDER}\n" if conversation.visual else ""
    other = replace(conversation, turns=((HUMAN, f"{start}\0"), (GPT, "\0")))
    ids, labels = labelled(conversation, tokenizer, time_instruction=timed)
    others, _ = labelled(other, tokenizer, time_instruction=timed)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(ids, others, strict=False))
    shared = sum(1 for _ in same)
    return Text(
        shared=shared - (conversation.visual is not None),
        own=len(ids) - shared,
        shared_labels=_labelled(labels[:shared]),
        own_labels=_labelled(labels[shared:]),
    )


def _labelled(labels: Iterable[int]) -> int:
    return sum(label != IGNORED for label in labels)


def _evenly(count: int) -> list[int]:
    """At most `SAMPLE` indices below `count`, evenly spread."""
    return [int(n) for n in np.linspace(0, count - 1, min(SAMPLE, int(count)))]
