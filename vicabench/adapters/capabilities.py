"""What can torch compute on each device? `python -m vicabench.adapters.capabilities` prints JSON.

It runs in a separate process, because a broken driver may crash the process that loads it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

DTYPES = ("float32", "bfloat16", "float16")
FLASH = "flash_attn"
TIMED = ("float32", "bfloat16")
"""The dtypes that `--dtype auto` chooses from."""
SIDE, SIDE_ON_CPU = 4096, 512
TIMED_SECONDS = 0.3


def main() -> None:
    """Print one object: the versions, and every device with what works on it."""
    json.dump(
        {
            "torch": torch.__version__,
            "cuda_build": torch.version.cuda,
            "threads": torch.get_num_threads(),
            "devices": [*_gpus(), _device("cpu", "CPU")],
        },
        sys.stdout,
    )


def _gpus() -> Iterator[dict[str, Any]]:
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        free, total = torch.cuda.mem_get_info(number)
        yield _device(f"cuda:{number}", properties.name) | {
            "capability": f"{properties.major}.{properties.minor}",
            "total_bytes": total,
            "free_bytes": free,
        }
    if torch.backends.mps.is_available():
        yield _device("mps", "Apple GPU")


def _device(name: str, title: str) -> dict[str, Any]:
    """For each dtype and FlashAttention-2: None if it works, else the error; and dtypes' speed."""
    failures = {dtype: _failure(name, dtype) for dtype in DTYPES}
    return {
        "device": name,
        "title": title,
        "dtypes": failures,
        "operations_per_second": {
            dtype: _rate(name, dtype) for dtype in TIMED if failures[dtype] is None
        },
        "flash_attention_2": _flash(name),
    }


def _failure(device: str, dtype: str) -> str | None:
    """Compute attention over a few vectors, as the models do; return what is wrong, if anything."""
    try:
        vectors_BHLD = torch.ones(1, 2, 8, 16, device=device, dtype=getattr(torch, dtype))
        mixed_BHLD = scaled_dot_product_attention(vectors_BHLD, vectors_BHLD, vectors_BHLD)
        return None if bool((mixed_BHLD == 1).all()) else "computes wrong numbers"
    except Exception as error:  # drivers fail in many ways
        return _line(error)


def _rate(device: str, dtype: str) -> float | None:
    """The best rate, in operations per second, of products of large square matrices."""
    side = SIDE_ON_CPU if device == "cpu" else SIDE
    try:
        square = torch.ones(side, side, device=device, dtype=getattr(torch, dtype))
        (square @ square)[0, 0].item()  # warm-up: the first product also loads kernels
        best, end = 0.0, perf_counter() + TIMED_SECONDS
        while not best or perf_counter() < end:
            started = perf_counter()
            (square @ square)[0, 0].item()  # `item` waits for the device
            best = max(best, 2 * side**3 / (perf_counter() - started))
    except Exception:  # another process may use the memory
        return None
    return best


def _flash(device: str) -> str | None:
    if not device.startswith("cuda"):
        return "for NVIDIA GPUs only"
    if find_spec(FLASH) is None:
        return "flash-attn is not installed"
    try:
        from flash_attn import flash_attn_func  # type: ignore[import-not-found]  # noqa: PLC0415

        vectors_BLHD = torch.ones(1, 8, 2, 64, device=device, dtype=torch.bfloat16)
        flash_attn_func(vectors_BLHD, vectors_BLHD, vectors_BLHD)
    except Exception as error:
        return _line(error)
    return None


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


if __name__ == "__main__":
    main()
