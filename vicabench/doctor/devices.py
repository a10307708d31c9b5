"""What models can run on here: every device with what it computes, and which weights fit it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vicabench.doctor.findings import NOTE, WARNING, Finding, size
from vicabench.doctor.machine import memory
from vicabench.engine.children import search_path

SECTION = "devices"
FIT = "models"
COMMAND = (sys.executable, "-P", "-m", "vicabench.adapters.capabilities")
LIMIT_SECONDS = 60.0
PARAMETERS = {"ViCA-7B": 8_030_348_832, "ViCA2-7B": 8_115_088_032}
"""Of the published layouts; a test counts them."""
BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
UNMEASURED = "Frames and replies need more; nothing was timed"
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
    yield from _fit(found["devices"][0])


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
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"nothing within {LIMIT_SECONDS:g} seconds"
    except (OSError, ValueError):
        words = done.stderr.strip().splitlines() if "done" in locals() else []
        return words[-1][:300] if words else "its process ended without a word"
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
        state=WARNING if fails else "ok",
        remedy='pip install "vicabench[gpu]" for flash_attention_2' if missing else "",
    )


def _fit(device: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether the weights of the large models fit the device that `--device auto` takes."""
    gpu = device["device"] != "cpu"
    room = device.get("free_bytes") if gpu else memory()[1]
    dtypes = ("bfloat16",) if gpu else ("float32", "bfloat16")
    for model, parameters in PARAMETERS.items():
        said = [_weights(parameters * BYTES[dtype], dtype, room) for dtype in dtypes]
        fits = any(good for _, good in said)
        yield Finding(
            section=FIT,
            name=model,
            text=f"on {device['device']}: weights of {'; '.join(text for text, _ in said)}. "
            + (UNMEASURED if fits else "Take a larger device"),
            state=NOTE,
            facts={"parameters": parameters, "room_bytes": room, "fits": fits},
        )
    yield Finding(
        section=FIT,
        name="vica2-rooms",
        text="comes with vicabench, for a CPU: --model vica2-rooms --frames 12",
    )


def _weights(needed: int, dtype: str, room: int | None) -> tuple[str, bool]:
    if room is None:
        return f"{size(needed)} in {dtype} (memory unknown)", True
    good = needed < room
    return f"{size(needed)} in {dtype} {'fit' if good else 'do not fit'} in {size(room)}", good
