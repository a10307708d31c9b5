"""How do adapters of local checkpoints choose device and dtype, and identify weights?"""

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
        raise ConfigError(f"There is no --dtype {name}. Choose one of {', '.join(DTYPES)}.")
    return DTYPES[name]


def name_of(device: torch.device) -> str:
    """The product name of a GPU, or the type of another device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def shown(frames_THWC: NDArray[np.uint8], *, blind: bool) -> NDArray[np.uint8]:
    """The frames, or for `blind` grey ones of the same number and size."""
    return np.full_like(frames_THWC, GREY) if blind else frames_THWC


OFFLINE = {"1", "ON", "YES", "TRUE"}
"""Values of HF_HUB_OFFLINE that huggingface_hub understands as true."""
SMALL = ("*.json", "*.txt", "*.jinja")
BLOCK = 4096
HASHED = (
    f"names, sizes, all of {', '.join(SMALL)}, and of each *.safetensors its header and the first "
    f"and last {BLOCK} bytes of every tensor"
)
"""Reading 16 GB would take longer than loading them; training changes both ends of a tensor."""


def located(spec: str) -> tuple[str, dict[str, Any]]:
    """Split `owner/name@revision` into the hub id and its revision; a folder has none."""
    name, at, revision = spec.rpartition("@")
    if Path(spec).is_dir() or not at:
        return spec, {}
    if Path(name).is_dir():
        raise ConfigError(
            f"{name} is a folder, which has no revision {revision}: leave out @{revision}."
        )
    return name, {"revision": revision}


def local_folder(spec: str, *, weights: bool = True, commit: str | None = None) -> Path:
    """The folder of a checkpoint; missing files are downloaded from the hub and checked.

    Args:
        weights: Whether the weights are needed, or only the small files.
        commit: The commit of the hub's repository; by default that of the revision in `spec`.

    Raises:
        ConfigError, VicaError: If the checkpoint does not exist, or is not in the local cache when
            HF_HUB_OFFLINE is set.
    """
    name, hub = located(spec)
    if commit is not None:
        hub = {"revision": commit}
    if Path(name).is_dir():
        return hubs.fetch(name)
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in OFFLINE:
        return hubs.fetch(name, weights=weights, **hub)
    if name.count("/") != 1:
        return hubs.fetch(name, weights=False)  # raises an error that says what a hub id looks like
    return zoo.fetch(name, hub.get("revision"), weights=weights)


def identity(folder: Path) -> dict[str, str]:
    """The commit of a folder in the hub's cache; else a SHA-256, and what it is a digest `of`."""
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
    """The header of a valid safetensors file, and both ends of each of its tensors."""
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
