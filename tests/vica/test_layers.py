"""The decoder layers' short form computes what transformers' own layers do."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from vica import Predictor, answer
from vica.chat import prompt, vsi_bench_question
from vica.layers import Layers, why_not
from vica.modeling import ViCA

from tests.vica.published import Golden

PROMPTS = [prompt(vsi_bench_question(f"How many {what}?")) for what in ("chairs", "tables")]
LENGTH = 40


def layer(model: ViCA) -> Any:
    return model.model.layers[0]


def hidden(model: ViCA, embeds_LD: Tensor) -> Tensor:
    """By transformers' own layers."""
    output = model.model(inputs_embeds=embeds_LD[None])
    return cast(Tensor, output.last_hidden_state)[0]


def short(model: ViCA, embeds_LD: Tensor) -> Tensor:
    """By the short form, with transformers' attention."""
    layers = Layers(model)

    def attend(_index: int, query_THE: Tensor, new_TXE: Tensor) -> Tensor:
        query, key, value = (x.transpose(0, 1)[None] for x in (query_THE, *new_TXE.chunk(2, dim=1)))
        mixed = nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=True
        )
        return mixed[0].transpose(0, 1)

    return layers(embeds_LD, torch.arange(len(embeds_LD)), attend)


def embeds(model: ViCA) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(LENGTH, model.config.hidden_size, generator=generator)


@torch.no_grad()
def test_hidden_states_are_those_of_transformers(golden: Golden) -> None:
    model = deepcopy(golden.model)
    embeds_LD = embeds(model)
    torch.testing.assert_close(short(model, embeds_LD), hidden(model, embeds_LD), rtol=0, atol=1e-5)


@torch.no_grad()
def test_in_bfloat16_it_is_as_exact_as_transformers(golden: Golden) -> None:
    exact_LD = hidden(deepcopy(golden.model).double(), embeds(golden.model).double())
    model, embeds_LD = deepcopy(golden.model).bfloat16(), embeds(golden.model).bfloat16()
    theirs, ours = (
        (found.double() - exact_LD).square().mean().sqrt()
        for found in (hidden(model, embeds_LD), short(model, embeds_LD))
    )
    assert float(ours) <= 1.1 * float(theirs)


def test_weights_are_laid_out_once_and_saved_as_they_were(golden: Golden, tmp_path: Path) -> None:
    model = deepcopy(golden.model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    Predictor(model, golden.processor)
    query = layer(model).self_attn.q_proj.weight
    place = query.data_ptr()
    Predictor(model, golden.processor)
    assert query.data_ptr() == place
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path, config=golden.config)
    assert before.keys() == again.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], before[name]) for name in before)


def test_changed_weights_count(golden: Golden) -> None:
    model, frames = deepcopy(golden.model), golden.frames(4)
    predictor = Predictor(model, golden.processor)

    def replies() -> tuple[Any, Any]:
        encoded = predictor.encode(frames, PROMPTS)
        together = predictor.answer(encoded, PROMPTS, max_new_tokens=6)
        alone = answer(model, golden.processor, frames, PROMPTS, max_new_tokens=6)
        return together, list(alone)

    first, _ = replies()
    attention = layer(model).self_attn
    with torch.no_grad():
        attention.v_proj.weight.mul_(-2)  # in place
    attention.k_proj.weight = nn.Parameter(-attention.k_proj.weight.detach())  # replaced
    together, alone = replies()
    assert together == alone != first


def _with_hook(model: ViCA) -> None:
    layer(model).register_forward_hook(lambda *_: None)


def _with_adapter(model: ViCA) -> None:
    class Low(nn.Linear):
        """A layer that does more than a product."""

    layer(model).mlp.up_proj.__class__ = Low


@pytest.mark.parametrize(
    ("change", "why"), [(_with_hook, "hooks"), (_with_adapter, "have been replaced")]
)
def test_other_layers_run_by_transformers(golden: Golden, change: Any, why: str) -> None:
    model, frames = deepcopy(golden.model), golden.frames(4)
    change(model)
    assert why in str(why_not(model))
    predictor = Predictor(model, golden.processor)
    encoded = predictor.encode(frames, PROMPTS)
    together = predictor.answer(encoded, PROMPTS, max_new_tokens=6)
    assert together == list(answer(model, golden.processor, frames, PROMPTS, max_new_tokens=6))
