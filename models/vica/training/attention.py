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
    """The attention that computes packs, fastest first; raises TrainingError for one that cannot.

    FlashAttention takes no mask of segments, so it is for packs of one conversation. SDPA takes a
    mask of all pairs of positions for them, which costs several times as much as `shared_prefix`.
    """
    packed = batch.pack > 1
    flash = find_spec("flash_attn") is not None
    if hardware.attention == "auto":
        if device.type == "cpu":
            return SHARED_PREFIX if packed else SDPA
        return FLEX if packed else FLASH if flash else SDPA
    known = [SHARED_PREFIX, FLEX, SDPA, *([] if packed else [FLASH])]
    if hardware.attention not in known:
        raise TrainingError(
            f"hardware.attention={hardware.attention} cannot compute packs of {batch.pack}: choose "
            f"{', '.join(known)} or auto"
        )
    return hardware.attention
