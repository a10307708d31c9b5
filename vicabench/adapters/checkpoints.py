"""Which checkpoint a run used: the hub's commit, or a digest of a folder's files."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from vica import hub as hubs

from vicabench import zoo
from vicabench.errors import ConfigError

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
