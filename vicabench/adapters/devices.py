"""The device and dtype that `--device` and `--dtype` name."""

from __future__ import annotations

import torch

from vicabench.errors import ConfigError, did_you_mean

DTYPES = {
    "auto": None,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def device_of(name: str) -> torch.device:
    """The device of this name; `auto` is a GPU if there is one. ConfigError if it does not work."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()  # fails if the device has no memory left
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"--device {name} cannot be used here: {reason}") from error
    return device


def dtype_of(name: str) -> torch.dtype | None:
    """The dtype of this name, None for `auto`; ConfigError for an unknown name."""
    if name not in DTYPES:
        near = did_you_mean(name, DTYPES)
        raise ConfigError(f"There is no --dtype {name}. Choose one of {', '.join(DTYPES)}.{near}")
    return DTYPES[name]


def name_of(device: torch.device) -> str:
    """The product name of a GPU, or the type of another device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
