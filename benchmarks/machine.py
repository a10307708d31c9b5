"""What a measurement was made on, and how fast that multiplies matrices and uses memory."""

from __future__ import annotations

import os
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

import torch


def describe(device: torch.device) -> str:
    """The device, the cores, and the versions that matter."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    packages = ", ".join(f"{p} {version(p)}" for p in ("torch", "transformers"))
    cores = len(os.sched_getaffinity(0))
    threads = "" if device.type == "cuda" else f", torch threads: {torch.get_num_threads()}"
    return f"{name}, {cores} cores{threads}; Python {platform.python_version()}, {packages}"


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second, by the clock, in products of large square matrices: best of several."""
    size, times = (8192, 10) if device.type == "cuda" else (1536, 20)
    a, b = torch.randn(2, size, size, device=device).to(dtype)
    rates = []
    for _ in range(times):
        wait(device)
        started = time.perf_counter()
        a @ b
        wait(device)
        rates.append(2 * size**3 / (time.perf_counter() - started))
    return max(rates)


def now(device: torch.device) -> float:
    """Seconds: of a clock, after what the device was asked; on a CPU those that we computed.

    Other work on a shared machine would be counted as ours otherwise.
    """
    wait(device)
    return time.perf_counter() if device.type == "cuda" else time.process_time()


def wait(device: torch.device) -> None:
    """Until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    """Forget the peak so far (on Linux, for a CPU)."""
    if device.type == "cuda":  # what is cached stays: to get it again would be timed as ours
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes(device: torch.device) -> int:
    """The largest memory since the reset: the device's, or this process's on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
