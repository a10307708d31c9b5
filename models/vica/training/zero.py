"""DeepSpeed's configuration for a run: ZeRO-2 or ZeRO-3, with the published file's settings.

Unlike the published file it has no optimizer of its own: that took the trainer's, with one rate
for all parts.
"""

from __future__ import annotations

import warnings
from typing import Any

from vica.training.config import Hardware

BILLION = 1_000_000_000


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


def join(hardware: Hardware) -> None:
    """Let DeepSpeed know the other processes: ZeRO-3 divides a model while it is being read."""
    if hardware.zero:
        import deepspeed  # noqa: PLC0415  (an extra, and slow)

        # DeepSpeed's to change; said again and again, it would bury the progress of a run.
        warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)

        deepspeed.init_distributed()
