"""Which attention computes packs of conversations."""

import pytest
import torch
from vica.errors import TrainingError
from vica.training.config import Batch, Hardware, Precision
from vica.training.loss import attention_of

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def chosen(attention: str, pack: int, device: torch.device, precision: Precision = "bf16") -> str:
    hardware = Hardware(attention=attention, precision=precision)
    return attention_of(hardware, Batch(pack=pack), device)


@pytest.mark.parametrize("device", [CPU, GPU])
def test_packs_use_no_full_mask_by_default(device: torch.device) -> None:
    assert chosen("auto", 16, device) == "shared_prefix"
    assert chosen("sdpa", 16, device) == "sdpa"


@pytest.mark.parametrize(
    ("attention", "pack", "device", "precision", "known"),
    [
        ("flash_attention_2", 16, GPU, "bf16", "shared_prefix, sdpa, flex_attention or auto"),
        ("flash_attention_2", 1, GPU, "fp32", "shared_prefix, sdpa, flex_attention or auto"),
        ("flex_attention", 16, CPU, "bf16", "shared_prefix, sdpa or auto"),
        ("fast", 1, GPU, "bf16", "shared_prefix, sdpa, flex_attention, flash_attention_2 or auto"),
    ],
)
def test_unusable_attention_is_refused_with_alternatives(
    attention: str, pack: int, device: torch.device, precision: Precision, known: str
) -> None:
    message = f"packs of {pack} on {device} in {precision}: choose {known}"
    with pytest.raises(TrainingError, match=message):
        chosen(attention, pack, device, precision)
