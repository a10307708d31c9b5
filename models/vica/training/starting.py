"""A small ViCA2 that has learnt nothing yet, made so that it learns fast.

transformers' own initialisation is for widths of thousands. Here every matrix keeps the size of
what goes through it: a deviation of gain / sqrt(inputs), with less for those that add to a residual
stream. In the first head of each layer keys are queries, so that what is alike finds each other;
half the heads of the layers that lessons do not reach look at the last few tokens, as in any
language model that has read something, so that an answer finds its question behind a film.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vica.config import vica2_rooms
from vica.errors import CheckpointError
from vica.modeling import ViCA2
from vica.tiny import ids_of, phrase_tokenizer
from vica.training.grounding import LAYERS
from vica.training.saving import whole

GAINS = {
    "q_proj": 1.2,
    "o_proj": 0.5,
    "out_proj": 0.5,
    "down_proj": 0.5,
    "fc2": 0.5,
    "proj_out": 0.5,
    "projector.2": 0.7,
    "lm_head": 0.3,
    "patch_embed": 1.5,
}
"""By a word in a matrix's name; 1 for all others."""
NEARNESS, FAST = 6.0, 5
"""The score of a token itself in a head that looks near, and how many frequencies it is made of."""
TABLES = {"embed_tokens": 0.7, "newline": 0.7, "position_embedding": 0.3, "pos_embed": 0.3}
"""Deviations of what is looked up, by a word in its name."""


def write_start(folder: Path, phrases: Sequence[str], *, seed: int = 0) -> Path:
    """Write the checkpoint to start from, its tokenizer knowing `phrases`; returns the folder.

    The weights depend on `seed` alone. Raises CheckpointError if something is already there.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CheckpointError(f"{folder}: already holds something; choose another folder")
    tokenizer = phrase_tokenizer(phrases)
    model = ViCA2(vica2_rooms(vocab_size=len(tokenizer), **ids_of(tokenizer)))
    initialise(model, seed)
    with whole(folder) as written:
        model.save_pretrained(written)
        tokenizer.save_pretrained(written)
    return folder


@torch.no_grad()
def initialise(model: ViCA2, seed: int) -> None:
    """Give a model the random weights that `seed` alone decides."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        table = next((d for word, d in TABLES.items() if word in name), None)
        if table is not None:
            parameter.normal_(0.0, table, generator=generator)
        elif parameter.ndim > 1:
            gain = next((g for word, g in GAINS.items() if word in name), 1.0)
            deviation = gain / math.sqrt(parameter[0].numel())
            parameter.normal_(0.0, deviation, generator=generator)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.ones_(parameter)  # the gains of norms
    layers: list[Any] = list(model.model.layers)
    width = model.config.hidden_size // model.config.num_attention_heads
    for layer in layers:
        attention = layer.self_attn
        attention.k_proj.weight[:width] = attention.q_proj.weight[:width]
    for layer in layers[LAYERS:]:
        for head in range(model.config.num_attention_heads // 2, model.config.num_attention_heads):
            _look_near(layer.self_attn, slice(head * width, (head + 1) * width))


def _look_near(attention: Any, head_D: slice) -> None:
    """Make a head look at what stands close before: equal biases, turned apart by the distance."""
    width = head_D.stop - head_D.start
    bias_D = torch.zeros(width)
    bias_D[:FAST] = math.sqrt(NEARNESS * math.sqrt(width) / FAST)
    for part in (attention.q_proj, attention.k_proj):
        part.weight[head_D] *= 0.5
        part.bias[head_D] = bias_D
