"""Which checkpoint a run used: the hub's commit, or a digest of a folder's files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

SMALL = ("*.json", "*.txt", "*.jinja")
BLOCKS, BLOCK = 64, 4096
HASHED = (
    f"names, sizes, all of {', '.join(SMALL)}, and of each *.safetensors its header and "
    f"{BLOCKS} blocks of {BLOCK} bytes"
)
"""Reading all of 16 GB would take longer than loading it; training changes every block."""


def located(spec: str) -> tuple[str, dict[str, Any]]:
    """A folder, or a hub id with the `revision` that may stand behind it: `owner/name@revision`."""
    name, at, revision = spec.rpartition("@")
    if Path(spec).is_dir() or not at:
        return spec, {}
    return name, {"revision": revision}


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
    """The header of a safetensors file, and blocks spread evenly over the rest."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        parts = [file.read(min(length, size))]
        start = file.tell()
        for number in range(BLOCKS):
            file.seek(start + (size - start) * number // BLOCKS)
            parts.append(file.read(BLOCK))
    return b"".join(parts)
