"""DeepSpeed's configuration for a run: ZeRO-2 or ZeRO-3, with the published file's settings.

Unlike the published file it has no optimizer of its own: that took the trainer's, with one rate
for all parts.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import Any

import torch
from packaging.version import Version
from torch import nn

from vica.errors import TrainingError
from vica.training.config import Hardware

BILLION = 1_000_000_000
OLDEST = "0.19.2"
"""Older ones round buffers to the precision of the weights: the frequencies of rotary positions."""


def deepspeed_config(hardware: Hardware, *, pinned: bool) -> dict[str, Any] | None:
    """What the Trainer is given; None without DeepSpeed. `pinned` memory is for GPUs."""
    if not hardware.zero:
        return None
    in_memory = {"device": "cpu", "pin_memory": pinned}
    zero: dict[str, Any] = {
        "stage": hardware.zero,
        "overlap_comm": pinned,
        "contiguous_gradients": True,
        "sub_group_size": BILLION,
        "reduce_bucket_size": "auto",
    }
    if hardware.zero == 3:
        zero |= {
            "stage3_prefetch_bucket_size": "auto",
            "stage3_param_persistence_threshold": "auto",
            "stage3_max_live_parameters": BILLION,
            "stage3_max_reuse_distance": BILLION,
            "stage3_gather_16bit_weights_on_model_save": True,
        }
    if hardware.offload != "none":
        zero["offload_optimizer"] = in_memory
    if hardware.offload == "all" and hardware.zero == 3:
        zero["offload_param"] = in_memory
    return {
        "zero_optimization": zero,
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "steps_per_print": 100_000,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }


def check_version() -> None:
    """Raise TrainingError for a DeepSpeed that rounds buffers."""
    found = version("deepspeed")
    if Version(found) < Version(OLDEST):
        raise TrainingError(
            f"deepspeed {found} rounds the frequencies of rotary positions to bfloat16, which puts "
            f"a video's last tokens 25 rad off: pip install 'deepspeed>={OLDEST}'"
        )


def check_buffers(model: nn.Module) -> None:
    """Raise TrainingError unless the buffers of a model that is ready to train are float32.

    A position of 22,000 times a frequency that was rounded to bfloat16 is another angle.
    """
    rounded = [
        f"{name} is {str(buffer.dtype).removeprefix('torch.')}"
        for name, buffer in model.named_buffers()
        if buffer.is_floating_point() and buffer.dtype.itemsize < torch.float32.itemsize
    ]
    if rounded:
        raise TrainingError(
            f"what divides or wraps the model has rounded its buffers ({rounded[0]}): positions in "
            f"a long video would be wrong. Update deepspeed (>= {OLDEST}) and accelerate"
        )


def join(hardware: Hardware) -> None:
    """Let DeepSpeed know the other processes: ZeRO-3 divides a model while it is being read."""
    if hardware.zero:
        import deepspeed  # noqa: PLC0415  (an extra, and slow)

        # DeepSpeed's to change; said again and again, it would bury the progress of a run.
        warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)

        deepspeed.init_distributed()
