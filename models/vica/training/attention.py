"""Which attention computes packs: chosen once, and kept when a run goes on."""

from __future__ import annotations

from importlib.util import find_spec

import torch

from vica.errors import TrainingError
from vica.training.config import Batch, Hardware
from vica.training.loss import FLEX
from vica.training.prefix_attention import SHARED_PREFIX

FLASH, SDPA = "flash_attention_2", "sdpa"


def attention_of(hardware: Hardware, batch: Batch, device: torch.device) -> str:
    """The attention that computes packs; raises TrainingError for one that cannot.

    For packs of several conversations it is `shared_prefix`, which needs no kernel but PyTorch's
    own. FlexAttention compiles one, and SDPA takes a mask of all pairs of positions, which costs
    several times as much. FlashAttention takes no mask, so it is for packs of one, and no fp32.
    """
    packed, on_cpu = batch.pack > 1, device.type == "cpu"
    flash = not (packed or on_cpu or hardware.precision == "fp32")
    if hardware.attention == "auto":
        if packed:
            return SHARED_PREFIX
        return FLASH if flash and find_spec("flash_attn") is not None else SDPA
    # On a CPU FlexAttention has no backward pass.
    known = [SHARED_PREFIX, SDPA, *([] if on_cpu else [FLEX]), *([FLASH] if flash else [])]
    if hardware.attention not in known:
        raise TrainingError(
            f"hardware.attention={hardware.attention} cannot compute packs of {batch.pack} on "
            f"{device.type} in {hardware.precision}: choose {', '.join(known)} or auto"
        )
    return hardware.attention
