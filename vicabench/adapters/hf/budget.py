"""The parts of a model of transformers and its tokens per video, without its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForImageTextToText
from vica.errors import BudgetError

from vicabench.adapters.hf import internvl_chat
from vicabench.adapters.hf.inputs import Inputs
from vicabench.adapters.hf.model import (
    SAFE,
    check_family,
    frames_of,
    read_config,
    refused,
    small_files,
)
from vicabench.errors import counted
from vicabench.options import FRAMES
from vicabench.types import ModelOptions

WIDTH, HEIGHT = 640, 480
"""The size of a frame; some models make more tokens of larger frames."""


def lines(spec: str, frames: int | None = None) -> list[str]:
    """The lines about the model of a hub id or folder.

    Raises:
        ConfigError: For a model that cannot answer about videos.
        BudgetError: For a video that overflows the context.
    """
    count = frames or FRAMES
    small = small_files(spec)
    with internvl_chat.readable(small, spec) as folder:
        model_type = check_family(folder, spec)
        with refused(folder):
            config = AutoConfig.from_pretrained(folder, **SAFE)
        inputs, notes = frames_of(folder, model_type, ModelOptions())
        stated = str(read_config(small, spec)["model_type"])
        name = model_type if stated == model_type else f"{stated}, read as {model_type}"
        return [
            f"{spec}: config.json",
            *_parts(config, folder, name),
            *_budget(config, inputs, count),
            *notes,
        ]


def _parts(config: Any, folder: Path, name: str) -> list[str]:
    text = config.get_text_config()
    with refused(folder), torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    total = sum(weight.numel() for weight in model.parameters())
    return [
        f"{type(model).__name__} ({name})",
        f"language model: {counted(text.num_hidden_layers, 'layer')}, width {text.hidden_size}, "
        f"{counted(text.vocab_size, 'row')} of vocabulary, context {_context(config):,}",
        f"parameters: {total:,}",
    ]


def _context(config: Any) -> int:
    return int(config.get_text_config().max_position_embeddings)


def _budget(config: Any, inputs: Inputs, frames: int) -> list[str]:
    """The tokens of a video, counted in the prompt that the processor makes of black frames."""
    black_THWC = np.zeros((frames, HEIGHT, WIDTH, 3), np.uint8)
    seen = inputs.see(black_THWC, [float(second) for second in range(frames)], float(frames))
    tokens = seen.tokens or inputs.tokens(seen, inputs.text("", frames))
    ids = tokens.ids[len(seen.head) :]
    kinds = {getattr(config, f"{kind}_token_id", None) for kind in ("image", "video")}
    visual = sum(token in kinds for token in ids)
    total, context = len(ids), _context(config)
    if total > context:
        raise BudgetError(
            f"{counted(frames, 'frame makes', 'frames make')} {counted(total, 'token')}, "
            f"{total - context:,} more than the context of {context:,}: use fewer frames"
        )
    given = "as a video" if inputs.as_video else "as images"
    each = counted(round(visual / frames, 1), "token")
    return [
        f"a video: {counted(frames, 'frame')} of {WIDTH} x {HEIGHT}, given {given}",
        f"a frame: {each}; {total - visual:,} more mark and separate the frames",
        f"tokens: {total:,} of {context:,}",
    ]
