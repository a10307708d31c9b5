"""The loss and its gradients by every attention, and a whole run, on a CPU and on a GPU."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pytest
import torch
from vica.loading import load_model, load_processor
from vica.training.config import Mixture, Source
from vica.training.dataset import PackDataset, collate
from vica.training.index import conversations
from vica.training.loss import FLEX, SHARED_PREFIX, PackLoss
from vica.training.run import train

from tests.vica.training.conftest import Make, logged

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
WITHIN = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


def loss_of(root: Path, attention: str, device: str, dtype: torch.dtype) -> tuple[float, float]:
    """The loss of two packs and the norm of its gradient."""
    data = conversations(Mixture(sources=(Source(path=str(root / "data.json")),)))
    packs = PackDataset(
        data, [(0, 1, 2), (11,)], load_processor(root / "base"), frames=3, timed=True
    )
    batch = collate([packs[0], packs[1]], loss_group=1, pad=0)
    for name, value in batch.items():
        if isinstance(value, torch.Tensor):
            batch[name] = value.to(device)
        elif isinstance(value, list):
            batch[name] = [one.to(device) for one in value]
    model = load_model(root / "base", device=device, dtype=torch.float32)
    model.set_attn_implementation({"": attention})
    with torch.autocast(device, dtype, enabled=dtype != torch.float32):
        loss = PackLoss(model)(batch, batch["groups"])["loss"]
    loss.backward()
    norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    return float(loss.detach()), float(torch.stack(norms).norm())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", WITHIN, ids=["float32", "bfloat16"])
@pytest.mark.parametrize("attention", ["sdpa", SHARED_PREFIX, FLEX])
def test_a_loss_and_its_gradient_are_those_of_float32(
    attention: str, dtype: torch.dtype, device: str, root: Path
) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    if attention == FLEX and device == "cpu":
        pytest.skip("FlexAttention has no backward pass on a CPU")
    loss = loss_of(root, attention, device, dtype)
    assert loss == pytest.approx(loss_of(root, "sdpa", "cpu", torch.float32), rel=WITHIN[dtype])


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("zero", [0, 2, 3])
def test_a_run_on_a_gpu_has_the_losses_of_one_on_a_cpu(
    zero: Literal[0, 2, 3], precision: Literal["fp32", "bf16"], make: Make, tmp_path: Path
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    if zero and not find_spec("deepspeed"):
        pytest.skip("DeepSpeed is not installed")
    config = make(tmp_path / "cpu", epochs=1)
    train(config)
    hardware = replace(
        config.hardware, device="cuda", precision=precision, zero=zero, workers=2, tf32=False
    )
    train(replace(config, output=str(tmp_path / "gpu"), hardware=hardware))
    within = {"fp32": 1e-3, "bf16": 5e-2}[precision]
    assert logged(tmp_path / "gpu") == pytest.approx(logged(tmp_path / "cpu"), rel=within)
