"""Which weights and which data exactly: the commits behind hub ids, and a hash of a checkpoint.

A hub id names whatever was pushed last. A run takes the commit that stands behind it when it
starts, writes it into its checkpoints, and goes on with the same one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vica.errors import RecipeError
from vica.hub import SMALL_FILES, WEIGHTS, fetch
from vica.training.config import Source, TrainingConfig
from vica.training.sources import located


def pinned(config: TrainingConfig, before: Mapping[str, Any] | None = None) -> TrainingConfig:
    """The configuration with a commit for each hub id, downloaded if it is not here.

    `before` is the recipe of the checkpoint that a run goes on from: hub ids that it names are
    taken at its commits. A folder has none. Raises RecipeError for a folder with a commit, and
    CheckpointError or DataError for what cannot be had.
    """
    before = before or {}
    base = config.base_revision
    if base is None and before.get("base") == config.base:
        base = before.get("base_revision")
    if Path(config.base).is_dir():
        if config.base_revision is not None:
            raise RecipeError(f"base={config.base} is a folder: it has no base_revision")
        base = None
    else:
        base = commit_of(fetch(config.base, revision=base)) or base
    old = dict(enumerate(before.get("mixture", {}).get("sources", ())))
    sources = tuple(_pinned(s, old.get(n, {})) for n, s in enumerate(config.mixture.sources))
    return replace(config, base_revision=base, mixture=replace(config.mixture, sources=sources))


def _pinned(source: Source, before: Mapping[str, Any]) -> Source:
    """A source at a commit; what is here as a file or folder stays as it is."""
    if source.revision is None and before.get("path") == source.path:
        source = replace(source, revision=before.get("revision"))
    return replace(source, revision=commit_of(located(source)) or source.revision)


def commit_of(folder: Path) -> str | None:
    """The commit of a folder in the hub's cache; None for any other."""
    found = re.fullmatch(r"[0-9a-f]{40}", folder.name) and folder.parent.name == "snapshots"
    return folder.name if found else None


def content_of(folder: Path) -> str:
    """`sha256:` and a hash of a checkpoint's files and their names, wherever the folder is.

    All of them are read, about as long as loading them takes.
    """
    state = hashlib.sha256()
    for path in sorted({p for pattern in (*SMALL_FILES, *WEIGHTS) for p in folder.glob(pattern)}):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        state.update(f"{path.name} {content}\n".encode())
    return f"sha256:{state.hexdigest()}"
