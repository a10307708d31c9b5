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
