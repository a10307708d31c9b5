"""Each way through a model, in float32 and bfloat16, against float32 and eager on a CPU.

The same tests run on a CPU here and on a GPU by `nox -s gpu`, where other kernels are chosen.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from vica.budget import Branch
from vica.loading import load_model, load_processor
from vica.merging import Visual
from vica.modeling import ViCA
from vica.towers import pool
from vica.training.loss import SHARED_PREFIX

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
DTYPES = [torch.float32, torch.bfloat16]
WITHIN = {torch.float32: 1e-4, torch.bfloat16: 1e-1}
"""Of logits and of features of order 1."""
FLASH = "flash_attention_2"

pytestmark = [
    pytest.mark.parametrize("device", DEVICES),
    pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "bfloat16"]),
]


def model_on(device: str, dtype: torch.dtype, folder: Path, attention: str = "sdpa") -> ViCA:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    return load_model(folder, device=device, dtype=dtype, attention=attention)


def frames() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (6, 90, 120, 3), dtype=np.uint8)


def assert_near(actual: torch.Tensor, wanted: torch.Tensor, dtype: torch.dtype) -> None:
    torch.testing.assert_close(actual.float().cpu(), wanted, rtol=0, atol=WITHIN[dtype])


@torch.no_grad()
@pytest.mark.parametrize("attention", ["sdpa", "eager", SHARED_PREFIX, FLASH])
def test_attention_gives_the_logits_of_eager_float32(
    attention: str, dtype: torch.dtype, device: str, tiny: Path
) -> None:
    flash = device == "cuda" and dtype == torch.bfloat16 and find_spec("flash_attn")
    if attention == FLASH and not flash:
        pytest.skip("FlashAttention needs a GPU and half precision")
    model = model_on(device, dtype, tiny, FLASH if attention == FLASH else "sdpa")
    model.set_attn_implementation({"": attention})
    ids = torch.arange(200)[None]
    mask = {"attention_mask": {"full_attention": None}} if attention == SHARED_PREFIX else {}
    actual = model(ids.to(device), **mask).logits
    assert_near(actual, load_model(tiny, attention="eager")(ids).logits, dtype)


@torch.no_grad()
def test_uint8_and_pixels_become_the_features_of_float32(
    dtype: torch.dtype, device: str, tiny: Path
) -> None:
    model, processor = model_on(device, dtype, tiny), load_processor(tiny)
    plain = processor.video(frames())
    wanted = load_model(tiny).encode(plain)
    ways: list[Visual] = [plain, processor.video(frames(), levels=True)]
    ways.append(processor.video(frames(), device))
    for visual in ways:
        assert_near(model.encode(visual), wanted, dtype)


@pytest.mark.parametrize("mode", ["bilinear", "average", "max"])
def test_pooling_is_the_same_on_every_device(mode: str, dtype: torch.dtype, device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    features = torch.randn(2, 27 * 27, 16, generator=torch.Generator().manual_seed(0))
    branch = Branch(side=27, stride=2, mode=mode)
    actual = pool(features.to(device, dtype), branch)
    assert_near(actual, pool(features, branch), dtype)
