"""The stage before all others of a model that starts from nothing: `vica.training.grounding`."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vica.chat import PLACEHOLDER, prompt, token_ids
from vica.errors import DataError, TrainingError
from vica.loading import load_processor
from vica.modeling import ViCA2
from vica.processing import ViCAProcessor
from vica.training.grounding import Asked, Grounding
from vica.training.groups import is_inner_matrix
from vica.training.lessons import Lesson, read_lesson
from vica.training.muon import MuonAdamW
from vica.training.saving import whole

FILMS, LESSONS, ASKED = "films", "lessons", "asked.json"
Progress = Callable[[int, int, Mapping[str, float]], None]
"""Told the step, how many there are, and the losses."""


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """One run: `steps` steps of `films` films each, at rates that fall along a cosine.

    `data` holds `films/NAME.mp4`, `lessons/NAME.npz` and `asked.json`: the `words` in their order,
    and the question that stands for the `scene`. `muon` is the rate of matrices, `rate` of all
    else.
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
    """Train everything on lessons, and return the folder of the checkpoint.

    Raises DataError where there are none, and TrainingError for a loss that is no number or an
    output that is taken.
    """
    output = Path(config.output)
    if output.exists() and any(output.iterdir()):
        raise TrainingError(f"{output}: already holds something; choose another output")
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
            raise TrainingError(f"the loss of step {step} is no number")
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
    """The ids of the words and of the question about the scene; each has to be one id."""
    content = json.loads(file.read_text(encoding="utf-8"))
    tokenizer = processor.tokenizer
    ids = [tokenizer(word).input_ids for word in content["words"]]
    if any(len(each) != 1 for each in ids):
        raise DataError(f"{file}: each word has to be one id of the tokenizer")
    opening = prompt(PLACEHOLDER).split(PLACEHOLDER)[0]
    return Asked(
        opening_S=torch.tensor(token_ids(opening, tokenizer)),
        words_C=torch.tensor([each[0] for each in ids]),
        scene=torch.tensor(tokenizer(content["scene"]).input_ids[0]),
    )


def _lessons(config: Pretraining, processor: ViCAProcessor) -> Iterator[list[Lesson]]:
    """Batches without end, each film once before any comes again."""
    files = sorted((Path(config.data) / LESSONS).glob("*.npz"))
    if not files:
        raise DataError(f"{config.data}: there are no lessons in {LESSONS}")
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
    """Of the peak rate, after a linear warm-up along half a cosine."""
    fallen = 0.5 * (1 + math.cos(math.pi * min(1.0, step / config.steps)))
    return min(1.0, (step + 1) / config.warmup) * (config.least + (1 - config.least) * fallen)
