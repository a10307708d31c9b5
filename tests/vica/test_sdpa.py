"""How PyTorch's attention is called: on CUDA it chooses kernels by dtype and key heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from vica.errors import BudgetError
from vica.loading import load_model
from vica.training.loss import SHARED_PREFIX


class Asked(TorchFunctionMode):
    """Records the heads of queries and keys, and whether the kernel handles groups."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: set[tuple[int, int, bool]] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention:
            heads = (args[0].shape[1], args[1].shape[1])
            self.calls.add((*heads, bool(kwargs.get("enable_gqa"))))
        return func(*args, **kwargs)


@torch.no_grad()
@pytest.mark.parametrize("attention", ["sdpa", SHARED_PREFIX])
def test_keys_are_repeated_unless_in_half_precision(attention: str, tiny: Path) -> None:
    model = load_model(tiny)
    plain = model(torch.arange(40)[None]).logits
    model.set_attn_implementation({"": attention})
    with Asked() as asked:
        logits = model(torch.arange(40)[None], attention_mask={"full_attention": None}).logits
    assert asked.calls == {(4, 4, False)}
    assert torch.allclose(logits, plain, atol=1e-5)
    with Asked() as asked, torch.autocast("cpu", torch.bfloat16):
        model(torch.arange(40)[None], attention_mask={"full_attention": None})
    assert asked.calls == {(4, 2, True)}
    torch.nn.Module.to(model, torch.bfloat16)
    with Asked() as asked:
        model(torch.arange(40)[None], attention_mask={"full_attention": None})
    assert asked.calls == {(4, 2, True)}


@torch.no_grad()
def test_eager_attention_is_refused_if_its_scores_do_not_fit(tiny: Path) -> None:
    model = load_model(tiny, attention="eager")
    embeds_BLD = torch.zeros(1, 40_000, 64)
    with pytest.raises(BudgetError, match=r"pairs of 40,000 tokens, 24 GiB per layer.*'sdpa'"):
        model(inputs_embeds=embeds_BLD)
