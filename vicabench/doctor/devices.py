"""What models can run on here: every device with what it computes."""

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
from vicabench.doctor.fit import fit
from vicabench.engine.children import search_path

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
