"""Pooling uses torch's fast kernel and gives the same bits as the original's slow one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from vica.budget import Branch
from vica.towers import pool


class Resizes(TorchDispatchMode):
    """Records whether the resized tensors are channels-last."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.together: list[bool] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "upsample_bilinear2d" in str(func):
            self.together.append(args[0].is_contiguous(memory_format=torch.channels_last))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", [27, 32])
def test_bilinear_pooling_copies_no_map(side: int, dtype: torch.dtype) -> None:
    features = torch.randn(2, side * side, 48, generator=torch.Generator().manual_seed(0)).to(dtype)
    branch = Branch(side=side, stride=2)
    with Resizes() as seen:
        pooled = pool(features, branch)
    assert seen.together == [True]
    map_FDHW = features.view(2, side, side, 48).permute(0, 3, 1, 2).contiguous()
    slow = functional.interpolate(map_FDHW, size=(branch.pooled,) * 2, mode="bilinear")
    assert torch.equal(pooled, slow.permute(0, 2, 3, 1))
