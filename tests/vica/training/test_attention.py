"""Which attention computes packs of conversations."""

import pytest
import torch
from vica.errors import TrainingError
from vica.training.attention import attention_of
from vica.training.config import Batch, Hardware

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def chosen(attention: str, pack: int, device: torch.device) -> str:
    return attention_of(Hardware(attention=attention), Batch(pack=pack), device)


@pytest.mark.parametrize("device", [CPU, GPU])
def test_packs_need_no_mask_of_all_pairs_unless_it_is_asked_for(device: torch.device) -> None:
    assert chosen("auto", 16, device) == "shared_prefix"
    assert chosen("sdpa", 16, device) == "sdpa"


@pytest.mark.parametrize(
    ("attention", "pack", "device", "said"),
    [
        ("flash_attention_2", 16, GPU, "packs of 16 on cuda: choose shared_prefix, sdpa, flex_at"),
        ("flex_attention", 16, CPU, "packs of 16 on cpu: choose shared_prefix, sdpa or auto"),
        ("fast", 1, GPU, "choose shared_prefix, sdpa, flex_attention, flash_attention_2 or auto"),
    ],
)
def test_one_that_cannot_is_refused_with_those_that_can(
    attention: str, pack: int, device: torch.device, said: str
) -> None:
    with pytest.raises(TrainingError, match=said):
        chosen(attention, pack, device)
