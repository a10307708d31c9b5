"""Running out of memory, told apart from other errors, and what can be given back."""

from __future__ import annotations

import gc

import torch

_SAY = (
    "DefaultCPUAllocator",
    "not enough memory",
    "can't allocate memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_memory_error(error: BaseException) -> bool:
    """Whether an error says that memory is short; torch has a class for some only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SAY)


def release(device: torch.device) -> None:
    """Give back what a failed computation held."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
