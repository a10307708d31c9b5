"""What adapters of local checkpoints share: device, dtype, and which weights."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from vica import hub as hubs

from vicabench import zoo
from vicabench.errors import ConfigError

GREY = 128
DTYPES = {
    "auto": None,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def device_of(name: str) -> torch.device:
    """The device of this name, `auto` being a GPU if there is one; ConfigError if there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()  # which a device without memory cannot give
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"--device {name} cannot be used here: {reason}") from error
    return device


def dtype_of(name: str) -> torch.dtype | None:
    """The dtype of this name, None for `auto`; ConfigError if there is none."""
    if name not in DTYPES:
        raise ConfigError(f"There is no --dtype {name}. Choose one of {', '.join(DTYPES)}.")
    return DTYPES[name]


def name_of(device: torch.device) -> str:
    """The device as its maker calls it, or its type."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def shown(frames_THWC: NDArray[np.uint8], *, blind: bool) -> NDArray[np.uint8]:
    """The frames themselves, or for `blind` grey ones of the same number and size."""
    return np.full_like(frames_THWC, GREY) if blind else frames_THWC


OFFLINE = {"1", "ON", "YES", "TRUE"}
"""As huggingface_hub reads HF_HUB_OFFLINE."""
SMALL = ("*.json", "*.txt", "*.jinja")
BLOCK = 4096
HASHED = (
    f"names, sizes, all of {', '.join(SMALL)}, and of each *.safetensors its header and the first "
    f"and last {BLOCK} bytes of every tensor"
)
"""Reading all of 16 GB would take longer than loading it; training a tensor changes both ends."""


def located(spec: str) -> tuple[str, dict[str, Any]]:
    """A folder, or a hub id with the `revision` that may stand behind it: `owner/name@revision`."""
    name, at, revision = spec.rpartition("@")
    if Path(spec).is_dir() or not at:
        return spec, {}
    if Path(name).is_dir():
        raise ConfigError(f"{name} is a folder, which has no revision {revision}: leave out @.")
    return name, {"revision": revision}


def local_folder(spec: str, *, weights: bool = True, commit: str | None = None) -> Path:
    """The folder of a checkpoint; from the hub what is missing is downloaded and checked.

    Without `weights` only the small files; with a `commit` that one, whatever was pushed since.
    Offline (HF_HUB_OFFLINE) the local cache is all there is. ConfigError or VicaError saying what
    is wrong.
    """
    name, hub = located(spec)
    if commit is not None:
        hub = {"revision": commit}
    if Path(name).is_dir():
        return hubs.fetch(name)
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in OFFLINE:
        return hubs.fetch(name, weights=weights, **hub)
    if name.count("/") != 1:
        return hubs.fetch(name, weights=False)  # which says what a name looks like
    return zoo.fetch(name, hub.get("revision"), weights=weights)


def identity(folder: Path) -> dict[str, str]:
    """The commit of a folder in the hub's cache; else a SHA-256, and what it was made `of`."""
    place = folder.resolve()
    if place.parent.name == "snapshots" and re.fullmatch(r"[0-9a-f]{40}", place.name):
        return {"commit": place.name}
    return {"sha256": _digest(place), "of": HASHED}


def _digest(folder: Path) -> str:
    state = hashlib.sha256()
    for path in sorted({p for pattern in SMALL for p in folder.glob(pattern)}):
        state.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        state.update(f"{path.name} {path.stat().st_size}\n".encode() + _sample(path))
    return state.hexdigest()


def _sample(path: Path) -> bytes:
    """The header of a safetensors file that was loaded, and both ends of each of its tensors."""
    with path.open("rb") as file:
        header = file.read(int.from_bytes(file.read(8), "little"))
        parts, start = [header], file.tell()
        for name, tensor in json.loads(header).items():
            if name == "__metadata__":
                continue
            first, last = tensor["data_offsets"]
            for place in (first, max(first, last - BLOCK)):
                file.seek(start + place)
                parts.append(file.read(min(BLOCK, last - first)))
    return b"".join(parts)
