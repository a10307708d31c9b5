"""The full-size models on the meta device: names, shapes and counts as published."""

import json
from collections.abc import Callable

import pytest
import torch
from vica.config import ViCAConfig, hiera_large, vica2_7b, vica_7b
from vica.modeling import MODELS, ViCA
from vica.tensors import our_name, published_name

from tests.vica.published import GOLDENS


def full_size(config: ViCAConfig) -> ViCA:
    with torch.device("meta"):
        return MODELS[config.model_type](config)


def count(model: ViCA, *parts: str) -> int:
    """The number of all parameters, or of those whose names begin like this."""
    return sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if not parts or name.startswith(parts)
    )


@pytest.mark.parametrize(("build", "keys"), [(vica2_7b, "vica2"), (vica_7b, "vica")])
def test_names_and_shapes_are_those_of_the_published_classes(
    build: Callable[[], ViCAConfig], keys: str
) -> None:
    stated = json.loads((GOLDENS / f"keys_{keys}_7b.json").read_text())
    tensors = full_size(build()).state_dict()
    assert {published_name(n): list(t.shape) for n, t in tensors.items()} == stated
    assert {our_name(name) for name in stated} == set(tensors)
    assert {our_name(name) for name in tensors} == set(tensors)


def test_parameter_counts_equal_the_papers() -> None:
    model = full_size(vica2_7b())
    assert count(model) == 8_115_088_032
    assert count(model, "model.sam_projector.") == 16_063_488  # "16M", trained in stage 1
    hiera = count(model, "model.sam_tower.")
    assert hiera == 68_675_712
    assert count(model) - hiera == 8_046_412_320  # "8.04B", trained in stages 2 and 3
    assert count(full_size(vica_7b())) == 8_030_348_832


def test_hiera_size_and_stage_change_only_its_projector() -> None:
    model = full_size(vica2_7b(hiera_config=hiera_large(), hiera_stage=3))
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes["model.sam_projector.0.weight"] == [3584, 576]
    assert shapes["model.sam_tower.blocks.47.attn.proj.weight"] == [1152, 1152]
