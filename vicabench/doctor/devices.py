"""What models can run on here: devices, what they compute, and which models fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vicabench.doctor.findings import NOTE, OK, WARNING, Finding, size
from vicabench.doctor.machine import memory
from vicabench.engine.decode import search_path

MODELS = "models"
PARAMETERS = {"ViCA-7B": 8_030_348_832, "ViCA2-7B": 8_115_088_032}
OPERATIONS = {"ViCA-7B": 276.1e12, "ViCA2-7B": 477.4e12}
"""Of a video of 64 frames with 18 questions: encoders, one prefill, replies of 4 tokens.

Both are those of the published layouts; a test counts them.
"""
BYTES = {"bfloat16": 2, "float32": 4}
VIDEOS = 288  # of VSI-Bench
DAY = 86_400.0
SPANS = ((DAY, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def fit(device: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether each large model's weights fit, and how fast it is; `device` is the best one here."""
    for model in PARAMETERS:
        yield _model(model, device)
    yield Finding(
        section=MODELS,
        name="vica2-rooms",
        text="fast anywhere: it comes with vicabench; --model vica2-rooms --frames 12",
    )


def _model(model: str, device: Mapping[str, Any]) -> Finding:
    gpu = device["device"] != "cpu"
    room = device.get("free_bytes") if gpu else memory()[1]
    said, fitting = [], []
    for dtype in ("bfloat16",) if gpu else ("float32", "bfloat16"):
        needed = PARAMETERS[model] * BYTES[dtype]
        fits = room is None or needed < room
        fitting += [dtype] if fits else []
        said.append(f"{size(needed)} in {dtype} {'fit' if fits else 'do not fit'}")
    there = "memory unknown" if room is None else f"{size(room)} free"
    rate = max((device["operations_per_second"].get(dtype) or 0.0 for dtype in fitting), default=0)
    speed = _speed(model, rate) if fitting else "take a larger device"
    return Finding(
        section=MODELS,
        name=model,
        text=f"on {device['device']} ({there}): weights of {', '.join(said)}; {speed}",
        state=NOTE,
        facts={
            "parameters": PARAMETERS[model],
            "room_bytes": room,
            "fits": bool(fitting),
            "seconds_per_video": OPERATIONS[model] / rate if rate else None,
        },
    )


def _speed(model: str, rate: float) -> str:
    """What the operations of a video take at `rate`, that of products of matrices here."""
    if not rate:
        return "how fast it is was not measured"
    video = OPERATIONS[model] / rate
    whole = VIDEOS * video
    return (
        f"{'slow' if whole > DAY else 'fast enough'}: a video of 64 frames with 18 questions takes "
        f"{span(video)} at the {rate / 1e12:.3g} TFLOP/s that matrix products reached here just "
        f"now, VSI-Bench {span(whole)}, both at the very least"
    )


def span(seconds: float) -> str:
    """A time in the unit that suits it: `1.6 hours`."""
    unit, name = next((each for each in SPANS if seconds >= 1.5 * each[0]), SPANS[-1])
    count = seconds / unit
    return f"{count:.0f} {name}" if count >= 10 else f"{count:.1f} {name}"


SECTION = "devices"
COMMAND = (sys.executable, "-P", "-m", "vicabench.adapters.capabilities")
LIMIT_SECONDS = 60.0
DRIVER = Path("/proc/driver/nvidia/version")
"""There where the system has an NVIDIA driver, whatever torch says."""


def devices() -> Iterator[Finding]:
    """The devices that torch finds, in a process of their own, and what would run on the best."""
    if find_spec("torch") is None:
        yield Finding(
            section=SECTION,
            name="torch",
            text="not installed: baselines and replays run, ViCA and its like do not",
            state=NOTE,
            remedy='pip install "vicabench[models]", with the build of torch for your GPU',
        )
        return
    found = _asked()
    if isinstance(found, str):
        yield Finding(
            section=SECTION,
            name="torch",
            text=f"is installed and does not work: {found}",
            state=WARNING,
            remedy="Install torch again, as its own site says for this machine.",
        )
        return
    yield _torch(found)
    for device in found["devices"]:
        yield _device(device)
    yield from fit(found["devices"][0])


def _asked() -> dict[str, Any] | str:
    """What the other process found; a text that says why there is nothing."""
    try:
        done = subprocess.run(  # noqa: S603
            COMMAND,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_SECONDS,
            env={**os.environ, "PYTHONPATH": search_path()},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"nothing within {LIMIT_SECONDS:g} seconds"
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        words = done.stderr.strip().splitlines()
        return words[-1][:300] if words else f"its process ended with {done.returncode}"
    return found


def _torch(found: Mapping[str, Any]) -> Finding:
    gpus = len(found["devices"]) - 1
    build = f"built for CUDA {found['cuda_build']}" if found["cuda_build"] else "built without CUDA"
    idle = found["cuda_build"] is not None and not gpus
    blocked = idle and DRIVER.exists()
    return Finding(
        section=SECTION,
        name="torch",
        text=f"{found['torch']}, {build}" + (", and sees no GPU" if idle else ""),
        state=WARNING if blocked else NOTE,
        remedy="Is the driver new enough for this build of torch?" if blocked else "",
        facts=found,
    )


def _device(device: Mapping[str, Any]) -> Finding:
    works = [name for name, problem in device["dtypes"].items() if problem is None]
    fails = [f"{name}: {said}" for name, said in device["dtypes"].items() if said is not None]
    flash = device["flash_attention_2"]
    attention = ["sdpa", "eager", *([] if flash else ["flash_attention_2"])]
    parts = [device["title"]]
    if "total_bytes" in device:
        parts.append(f"{size(device['free_bytes'])} free of {size(device['total_bytes'])}")
        parts.append(f"compute capability {device['capability']}")
    parts += [f"computes in {', '.join(works) or 'no dtype'}", f"attention {', '.join(attention)}"]
    missing = "not installed" in (flash or "")
    if flash and device["device"] != "cpu" and not missing:
        fails.append(f"flash_attention_2: {flash}")
    return Finding(
        section=SECTION,
        name=device["device"],
        text="; ".join([*parts, *fails]),
        state=WARNING if fails else OK,
        remedy='pip install "vicabench[gpu]" for flash_attention_2' if missing else "",
    )
