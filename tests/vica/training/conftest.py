"""A tiny training run on a CPU: two videos, an image, texts, and a model with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from vica.loading import load_model
from vica.tiny import write_tiny_checkpoint
from vica.training.config import (
    Batch,
    Hardware,
    LearningRates,
    Logging,
    Mixture,
    Saving,
    Source,
    TrainingConfig,
)
from vica.training.run import train

from tests.videos import write_clip

Make = Callable[..., TrainingConfig]


def record(shown: dict[str, str], number: int) -> dict[str, Any]:
    image = "<image>\n" if shown else ""
    return {
        **shown,
        "conversations": [
            {"from": "human", "value": f"{image}What is {number} + 1?"},
            {"from": "gpt", "value": str(number + 1)},
        ],
    }


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and a model to start from."""
    folder = tmp_path_factory.mktemp("training")
    write_tiny_checkpoint(folder / "base")
    for name in ("a.mp4", "b.mp4"):
        write_clip(folder / name, frames=12)
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(noise).save(folder / "c.png")
    shown = [{"video": "a.mp4"}] * 4 + [{"video": "b.mp4"}] * 4 + [{"image": "c.png"}] * 3
    records = [record(one, number) for number, one in enumerate([*shown, {}, {}, {}])]
    (folder / "data.json").write_text(json.dumps(records), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def make(root: Path) -> Make:
    """`make(output, **changes)`: the configuration of a run of eight steps."""

    def config(output: Path, **changes: Any) -> TrainingConfig:
        made = TrainingConfig(
            name="t",
            base=str(root / "base"),
            shape="vica2-tiny",
            mixture=Mixture(sources=(Source(path=str(root / "data.json")),)),
            learning_rates=LearningRates(
                language_model=1e-3,
                semantic_encoder=1e-4,
                semantic_projector=None,
                spatial_projector=1e-3,
            ),
            output=str(output),
            epochs=2,
            frames=3,
            batch=Batch(pack=2, accumulation=2),
            hardware=Hardware(device="cpu", precision="fp32", workers=0),
            saving=Saving(every=0.25),
            logging=Logging(tensorboard=False),
        )
        return replace(made, **changes)

    return config


@pytest.fixture(scope="session")
def finished(make: Make, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """An undisturbed run."""
    config = make(tmp_path_factory.mktemp("finished") / "out")
    train(replace(config, logging=replace(config.logging, tensorboard=True)))
    return config


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder, device="cpu").state_dict()


def logged(output: str | Path, field: str = "loss") -> list[float]:
    """The values in `log.jsonl`, by step."""
    lines = (Path(output) / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)[field] for line in lines]
