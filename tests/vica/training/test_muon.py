"""Muon: orthogonal updates for matrices, AdamW for the rest, and slower learning further down."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from vica.config import vica2_tiny
from vica.modeling import ViCA2
from vica.training.config import LearningRates, Optimizer
from vica.training.optimizer import MuonAdamW, orthogonal, parameter_groups

RATES = LearningRates(
    language_model=1e-2, semantic_encoder=1e-3, semantic_projector=1e-3, spatial_projector=1e-3
)


def test_an_update_is_nearly_orthogonal_whatever_the_shape() -> None:
    torch.manual_seed(0)
    for shape in ((3, 16, 48), (3, 48, 16), (1, 16, 16)):
        # The quintic iteration ends between 0.68 and 1.14 (Jordan et al.) for every singular
        # value that is not tiny compared with the largest.
        wide = torch.randn(shape) + 2 * torch.eye(*shape[1:])
        singular = torch.linalg.svdvals(orthogonal(wide))
        assert singular.min() > 0.5
        assert singular.max() < 1.25


def test_parameters_other_than_matrices_move_as_by_adamw() -> None:
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(7)) for _ in range(2))
    settings: dict[str, Any] = {"lr": 0.1, "betas": (0.9, 0.98), "weight_decay": 0.3}
    one = MuonAdamW([{"params": [ours]}], **settings)
    other = torch.optim.AdamW([theirs], **settings)
    for _ in range(5):
        gradient = torch.randn(7)
        ours.grad, theirs.grad = gradient, gradient.clone()
        one.step()
        other.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)  # float32, five steps


def test_groups_mark_muon_and_decay_rates_by_layer() -> None:
    with torch.device("meta"):
        model = ViCA2(vica2_tiny())
    groups = parameter_groups(model, RATES, Optimizer(muon=5.0, layer_decay=0.5))
    rate = {id(p): g["lr"] for g in groups for p in g["params"]}
    muon = {id(p) for g in groups if g.get("muon") for p in g["params"]}
    named = dict(model.named_parameters())
    first, second = (named[f"model.layers.{n}.mlp.up_proj.weight"] for n in (0, 1))
    assert rate[id(first)] == 0.5 * rate[id(second)] == 0.5 * 5.0 * 1e-2
    assert rate[id(named["lm_head.weight"])] == 1e-2
    assert rate[id(named["model.embed_tokens.weight"])] == 0.25 * 1e-2
    assert {id(first), id(named["model.mm_projector.0.weight"])} <= muon
    assert all(named[n].ndim == 2 for n in named if id(named[n]) in muon)
    assert not muon & {id(named["lm_head.weight"]), id(named["model.embed_tokens.weight"])}
    assert len(rate) == len(named)
