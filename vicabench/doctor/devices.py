"""The devices, what they compute, and which models fit on them."""

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
"""Operations for a video of 64 frames with 18 questions.

They include the encoders, one prefill and replies of 4 tokens. Parameters and operations are those
of the published architectures; a test counts them.
"""
BYTES = {"bfloat16": 2, "float32": 4}
VIDEOS = 288  # of VSI-Bench
DAY = 86_400.0
SPANS = ((DAY, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def fit(device: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether each large model's weights fit on `device`, the best one here, and how fast it is."""
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
    weights, fitting = [], []
    for dtype in ("bfloat16",) if gpu else ("float32", "bfloat16"):
        needed = PARAMETERS[model] * BYTES[dtype]
        fits = room is None or needed < room
        fitting += [dtype] if fits else []
        weights.append(f"{size(needed)} in {dtype} {'fit' if fits else 'do not fit'}")
    free = "memory unknown" if room is None else f"{size(room)} free"
    rate = max((device["operations_per_second"].get(dtype) or 0.0 for dtype in fitting), default=0)
    speed = _speed(model, rate) if fitting else "use a larger device"
    return Finding(
        section=MODELS,
        name=model,
        text=f"on {device['device']} ({free}): weights of {', '.join(weights)}; {speed}",
        state=NOTE,
        facts={
            "parameters": PARAMETERS[model],
            "room_bytes": room,
            "fits": bool(fitting),
            "seconds_per_video": OPERATIONS[model] / rate if rate else None,
        },
    )


def _speed(model: str, rate: float) -> str:
    """The least time that a video and VSI-Bench take at `rate`, in operations per second."""
    if not rate:
        return "its speed was not measured"
    video = OPERATIONS[model] / rate
    whole = VIDEOS * video
    return (
        f"{'slow' if whole > DAY else 'fast enough'}: a video of 64 frames with 18 questions takes "
        f"{span(video)} at the {rate / 1e12:.3g} TFLOP/s just measured for matrix products, "
        f"VSI-Bench {span(whole)}; both are lower bounds"
    )


def span(seconds: float) -> str:
    """A time in a suitable unit: `1.6 hours`."""
    unit, name = next((each for each in SPANS if seconds >= 1.5 * each[0]), SPANS[-1])
    count = seconds / unit
    return f"{count:.0f} {name}" if count >= 10 else f"{count:.1f} {name}"


SECTION = "devices"
COMMAND = (sys.executable, "-P", "-m", "vicabench.adapters.capabilities")
LIMIT_SECONDS = 60.0
DRIVER = Path("/proc/driver/nvidia/version")
"""This file exists if the system has an NVIDIA driver, even if torch does not see it."""


def devices() -> Iterator[Finding]:
    """The devices that torch finds in a separate process, and the models that fit on the best."""
    if find_spec("torch") is None:
        yield Finding(
            section=SECTION,
            name="torch",
            text="not installed: baselines and replays run, ViCA and other local models do not",
            state=NOTE,
            remedy='pip install "vicabench[models]", with the build of torch for your GPU',
        )
        return
    report = _report()
    if isinstance(report, str):
        yield Finding(
            section=SECTION,
            name="torch",
            text=f"is installed but does not work: {report}",
            state=WARNING,
            remedy="Reinstall torch, following the instructions on its website for this machine.",
        )
        return
    yield _torch(report)
    for device in report["devices"]:
        yield _device(device)
    yield from fit(report["devices"][0])


def _report() -> dict[str, Any] | str:
    """The report of the other process; a text that says why there is none."""
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
        return f"no result within {LIMIT_SECONDS:g} seconds"
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.strip().splitlines()
        return lines[-1][:300] if lines else f"its process ended with exit code {done.returncode}"
    return report


def _torch(report: Mapping[str, Any]) -> Finding:
    gpus = len(report["devices"]) - 1
    build = (
        f"built for CUDA {report['cuda_build']}" if report["cuda_build"] else "built without CUDA"
    )
    idle = report["cuda_build"] is not None and not gpus
    blocked = idle and DRIVER.exists()
    return Finding(
        section=SECTION,
        name="torch",
        text=f"{report['torch']}, {build}" + (", but sees no GPU" if idle else ""),
        state=WARNING if blocked else NOTE,
        remedy="Check that the driver is new enough for this build of torch." if blocked else "",
        facts=report,
    )


def _device(device: Mapping[str, Any]) -> Finding:
    works = [name for name, problem in device["dtypes"].items() if problem is None]
    fails = [f"{name}: {error}" for name, error in device["dtypes"].items() if error is not None]
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
