"""Two processes, also with their model divided by ZeRO, compute what one process does.

They add the same float32 numbers in another order: losses of order 6 agree to 1e-5.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vica.loading import load_model
from vica.training.config import Batch, TrainingConfig
from vica.training.engine import train

from tests.vica.training.conftest import Make, logged


@pytest.fixture(scope="module")
def alone(make: Make, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """The run of one process, with two batches a step.

    The encoders take the 18 frames of a video in more portions than an image or a text.
    """
    config = make(tmp_path_factory.mktemp("alone") / "out", epochs=1, frames=18)
    train(config)
    return config


def on_two(alone: TrainingConfig, output: Path, **hardware: Any) -> TrainingConfig:
    """The same run on two processes, with one batch each a step."""
    return replace(
        alone,
        output=str(output),
        batch=Batch(pack=2, accumulation=1),
        hardware=replace(alone.hardware, devices=2, **hardware),
        saving=replace(alone.saving, optimizer="all"),
    )


def test_two_processes_have_the_losses_of_one(alone: TrainingConfig, tmp_path: Path) -> None:
    config = on_two(alone, tmp_path / "out")
    train(config)
    assert logged(config.output) == pytest.approx(logged(alone.output), abs=1e-5)


@pytest.mark.distributed
@pytest.mark.parametrize("zero", [2, 3])
@pytest.mark.parametrize("offload", ["none", "all"])
def test_a_divided_model_has_the_losses_of_a_whole_one_and_is_resumed(
    alone: TrainingConfig, tmp_path: Path, zero: int, offload: str
) -> None:
    config = on_two(alone, tmp_path / "out", zero=zero, offload=offload)
    folder = train(config)
    assert logged(config.output) == pytest.approx(logged(alone.output), abs=1e-5)
    assert load_model(folder, device="cpu").config.model_type == "vica_qwen"

    shutil.rmtree(folder)
    train(config, resume="t-50p")
    assert logged(config.output) == pytest.approx(logged(alone.output), abs=1e-5)
