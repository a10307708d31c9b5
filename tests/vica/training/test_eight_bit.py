"""AdamW with moments in 8 bits: as good as torch's, a quarter of its size, and it resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from vica.loading import load_model
from vica.training.config import Optimizer, Saving
from vica.training.cost import counts, sizes
from vica.training.optimizer import eight_bit_adamw, parameter_groups
from vica.training.run import train

from tests.vica.training.conftest import Make, logged, weights

pytest.importorskip("bitsandbytes", reason="the extra train-8bit")
EIGHT = Optimizer(states="8bit")


def test_steps_are_those_of_adamw_up_to_eight_bits() -> None:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.3}
    start = [torch.randn(64, 128), torch.randn(64, 128), torch.randn(7)]
    ours, theirs = ([nn.Parameter(tensor.clone()) for tensor in start] for _ in range(2))
    groups: list[dict[str, Any]] = [
        {"params": [ours[0], ours[2]]},
        {"params": [ours[1]], "wide": True},
    ]
    one, other = eight_bit_adamw()(groups, **settings), torch.optim.AdamW(theirs, **settings)
    for _ in range(5):
        for mine, its in zip(ours, theirs, strict=True):
            its.grad = torch.randn_like(its)
            mine.grad = its.grad.clone()
        one.step()
        other.step()
    moved = [(a - b).abs().mean() for a, b in zip(theirs, start, strict=True)]
    errors = [(a - b).abs().mean() for a, b in zip(ours, theirs, strict=True)]
    # A code of 8 bits is off by a few percent; what is small or marked stays in float32.
    assert 0 < errors[0] < 0.05 * moved[0]
    assert max(errors[1:]) < 1e-6
    kept = [one.state[parameter]["state1"].dtype for parameter in ours]
    assert kept == [torch.uint8, torch.float32, torch.float32]


def test_a_run_in_eight_bits_trains_and_resumes(make: Make, finished: Any, tmp_path: Path) -> None:
    saving = Saving(every=0.5, optimizer="all")
    config = make(tmp_path / "out", optimizer=EIGHT, saving=saving)
    train(config)
    # The same data and start: the losses differ only by the rounding of the moments.
    assert logged(config.output) == pytest.approx(logged(finished.output), rel=0.02)
    assert logged(config.output) != logged(finished.output)
    whole = weights(tmp_path / "out" / "t")

    train(config, resume="t-50p")
    again = weights(tmp_path / "out" / "t")
    assert all(torch.equal(again[name], whole[name]) for name in whole)

    model = load_model(config.base, device="cpu")
    groups = parameter_groups(model, config.learning_rates, EIGHT)
    assert [len(group["params"]) for group in groups if group.get("wide")] == [1]
    parts = counts(model, config.learning_rates)
    wanted = sizes(parts, config.hardware, "8bit").state
    stored = tmp_path / "out" / "resume" / "t-50p"
    written = sum(path.stat().st_size for path in stored.rglob("*") if path.is_file())
    assert wanted < 0.8 * sizes(parts, config.hardware).state
    assert written == pytest.approx(wanted, rel=0.25)  # a tiny model has many small tensors


def test_a_run_of_an_earlier_release_had_moments_in_fp32(make: Make, tmp_path: Path) -> None:
    config = make(tmp_path / "out", epochs=1, saving=Saving(every=0.5, optimizer="all"))
    train(config)
    record = tmp_path / "out" / "resume" / "t-50p" / "training.json"
    text = record.read_text(encoding="utf-8")
    assert '"states": "fp32"' in text
    record.write_text(text.replace(',\n      "states": "fp32"', ""), encoding="utf-8")
    assert '"states": "fp32"' not in record.read_text(encoding="utf-8")
    train(config, resume="t-50p")
