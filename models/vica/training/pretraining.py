"""Creating a small ViCA2 from scratch, and the training stage that grounds it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vica.chat import PLACEHOLDER, prompt, token_ids
from vica.config import vica2_rooms
from vica.errors import CheckpointError, DataError, TrainingError
from vica.loading import load_processor
from vica.modeling import ViCA2
from vica.processing import ViCAProcessor
from vica.tiny import ids_of, phrase_tokenizer
from vica.training.checkpoints import whole
from vica.training.grounding import LAYERS, Asked, Grounding, Lesson, read_lesson
from vica.training.optimizer import MuonAdamW, is_inner_matrix

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
"""Gains of the initial weights by a part of a matrix's name; 1 for all others."""
NEARNESS, FAST = 6.0, 5
"""The score of a token for itself in a head that looks near, and its number of frequencies."""
TABLES = {"embed_tokens": 0.7, "newline": 0.7, "position_embedding": 0.3, "pos_embed": 0.3}
"""Standard deviations of embedding tables by a part of their name."""


def write_start(folder: Path, phrases: Sequence[str], *, seed: int = 0) -> Path:
    """Write an untrained checkpoint whose tokenizer knows `phrases`, and return its folder.

    The weights depend on `seed` alone.

    Raises:
        CheckpointError: The folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CheckpointError(f"{folder}: is not empty; choose another folder")
    tokenizer = phrase_tokenizer(phrases)
    model = ViCA2(vica2_rooms(vocab_size=len(tokenizer), **ids_of(tokenizer)))
    initialise(model, seed)
    with whole(folder) as written:
        model.save_pretrained(written)
        tokenizer.save_pretrained(written)
    return folder


@torch.no_grad()
def initialise(model: ViCA2, seed: int) -> None:
    """Initialise a model with random weights that depend on `seed` alone."""
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
    """Make a head attend to nearby tokens.

    Equal query and key biases score highest at distance 0, as rotary positions turn them apart.
    """
    width = head_D.stop - head_D.start
    bias_D = torch.zeros(width)
    bias_D[:FAST] = math.sqrt(NEARNESS * math.sqrt(width) / FAST)
    for part in (attention.q_proj, attention.k_proj):
        part.weight[head_D] *= 0.5
        part.bias[head_D] = bias_D


FILMS, LESSONS, ASKED = "films", "lessons", "asked.json"
Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called with the step, the number of steps, and the losses."""


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """One grounding run: `steps` steps of `films` films each, with rates that follow a cosine.

    `data` holds `films/NAME.mp4`, `lessons/NAME.npz` and `asked.json`, which lists the `words` in
    order and the question that stands for the `scene`. `muon` is the learning rate of matrices,
    `rate` that of all other parameters.
    """

    base: str
    data: str
    output: str
    steps: int = 1800
    films: int = 4
    rate: float = 2.5e-3
    muon: float = 0.02
    weight_decay: float = 0.05
    warmup: int = 30
    least: float = 0.03
    seed: int = 0


def pretrain(config: Pretraining, progress: Progress | None = None) -> Path:
    """Train all parameters on lessons, and return the folder of the checkpoint.

    Raises:
        DataError: There are no lessons.
        TrainingError: The output is not empty, or the loss is not finite.
    """
    output = Path(config.output)
    if output.exists() and any(output.iterdir()):
        raise TrainingError(f"{output}: is not empty; choose another output")
    torch.manual_seed(config.seed)
    processor = load_processor(config.base)
    model = ViCA2.from_pretrained(config.base, dtype=torch.float32, attn_implementation="sdpa")
    model.train()
    lessons = _lessons(config, processor)
    first = next(lessons)
    grounding = Grounding(model, asked(Path(config.data) / ASKED, processor), first[0])
    optimizer = _optimizer(config, model, grounding)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(config, step))
    parameters = [*model.parameters(), *grounding.parameters()]
    for step, batch in enumerate(lessons, start=1):
        losses = grounding(model, batch)
        loss = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss of step {step} is not finite")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(
                step, config.steps, {name: float(each.detach()) for name, each in losses.items()}
            )
        if step == config.steps:
            break
    with whole(output) as folder:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    return output


def asked(file: Path, processor: ViCAProcessor) -> Asked:
    """Read the ids of the words and of the question about the scene; each must be one id."""
    content = json.loads(file.read_text(encoding="utf-8"))
    tokenizer = processor.tokenizer
    ids = [tokenizer(word).input_ids for word in content["words"]]
    if any(len(each) != 1 for each in ids):
        raise DataError(f"{file}: each word must be one id of the tokenizer")
    opening = prompt(PLACEHOLDER).split(PLACEHOLDER)[0]
    return Asked(
        opening_S=torch.tensor(token_ids(opening, tokenizer)),
        words_C=torch.tensor([each[0] for each in ids]),
        scene=torch.tensor(tokenizer(content["scene"]).input_ids[0]),
    )


def _lessons(config: Pretraining, processor: ViCAProcessor) -> Iterator[list[Lesson]]:
    """Endless batches in which every film appears once before any is repeated."""
    files = sorted((Path(config.data) / LESSONS).glob("*.npz"))
    if not files:
        raise DataError(f"{config.data}: has no lessons in {LESSONS}")
    generator, frames = random.Random(config.seed), processor.config.video_frames
    order: list[Path] = []
    while True:
        if len(order) < config.films:
            order = generator.sample(files, len(files)) + order
        chosen = [order.pop() for _ in range(config.films)]
        films = [Path(config.data) / FILMS / f"{file.stem}.mp4" for file in chosen]
        yield [read_lesson(*pair, processor, frames) for pair in zip(chosen, films, strict=True)]


def _optimizer(config: Pretraining, model: ViCA2, grounding: Grounding) -> MuonAdamW:
    named = [(n, p) for n, p in model.named_parameters() if "post_layernorm" not in n]
    matrices = [p for n, p in named if is_inner_matrix(n, p)]
    others: list[Tensor] = [p for n, p in named if not is_inner_matrix(n, p)]
    return MuonAdamW(
        [
            {
                "params": matrices,
                "lr": config.muon,
                "weight_decay": config.weight_decay,
                "muon": True,
            },
            {"params": [*others, *grounding.parameters()], "lr": config.rate},
        ]
    )


def _share(config: Pretraining, step: int) -> float:
    """The share of the peak rate: a linear warm-up, then half a cosine."""
    fallen = 0.5 * (1 + math.cos(math.pi * min(1.0, step / config.steps)))
    return min(1.0, (step + 1) / config.warmup) * (config.least + (1 - config.least) * fallen)
