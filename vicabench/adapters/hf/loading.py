"""Loading a model of any transformers class: safetensors only, whole, and no code of others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from vica import tensors
from vica.loading import default_dtype

from vicabench.adapters.devices import device_of, dtype_of
from vicabench.errors import ConfigError, UserError
from vicabench.types import ModelOptions

SAFE = {"trust_remote_code": False, "local_files_only": True}
"""For everything that is loaded from a folder: what it says is data."""


def load(auto_class: Any, folder: Path, options: ModelOptions) -> Any:
    """The model in a folder by one of transformers' auto classes, in evaluation mode.

    ConfigError if it cannot be loaded, or if a weight is missing, which transformers would make up.
    """
    device = device_of(options.device)
    with refused(folder):
        model, report = auto_class.from_pretrained(
            folder,
            dtype=dtype_of(options.dtype) or default_dtype(device),
            device_map={"": device},
            attn_implementation=options.attention,
            use_safetensors=True,
            output_loading_info=True,
            **SAFE,
        )
    made_up = sorted({*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])})
    if made_up:
        raise ConfigError(
            f"{folder}: the checkpoint is not whole. Weights of {type(model).__name__} that are "
            f"missing or of another shape: {len(made_up):,}, such as {made_up[0]}."
        )
    _refuse_whole_numbers(model, folder)
    model.train(False)
    return model


def _refuse_whole_numbers(model: Any, folder: Path) -> None:
    """ConfigError if weights were stored as whole numbers, unless they are said to be quantized."""
    if getattr(model.config, "quantization_config", None) is not None:
        return
    floating = {name.rpartition(".")[2] for name, _ in model.named_parameters()}
    with refused(folder):
        found = [n for n in tensors.integers(folder) if n.rpartition(".")[2] in floating]
        tensors.refuse_whole_numbers(folder, found)


@contextmanager
def refused(folder: Path) -> Iterator[None]:
    """Turn whatever transformers raises about a folder into a ConfigError that names it."""
    try:
        yield
    except (UserError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # files can be wrong in any way
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{folder} cannot be loaded: {reason[:500].rstrip('.')}.") from error
