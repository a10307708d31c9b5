"""Checkpoints on the hub and in the local cache: `vicabench models`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from vicabench.adapters.checkpoints import located
from vicabench.adapters.extras import explained
from vicabench.errors import ConfigError
from vicabench.reference import model_zoo
from vicabench.zoo import cached
from vicabench.zoo import fetch as fetch_checkpoint

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["fetch", "init", "inventory", "show"]


def inventory() -> DataFrame:
    """One row per published checkpoint.

    `bytes` is its size in the local cache, None if absent; `whole` tells whether it is complete.
    """
    import pandas as pd  # noqa: PLC0415  (slow to import, and the command does not need it)

    local = cached()
    rows = [
        {
            "checkpoint": model.repo,
            "family": model.family,
            "series": model.series,
            "percent": model.percent,
            "stage": model.stage,
            "bytes": local[model.repo].size if model.repo in local else None,
            "whole": model.repo in local and local[model.repo].whole,
            "description": model.description,
        }
        for model in model_zoo()
    ]
    return pd.DataFrame(rows)


def fetch(spec: str) -> Path:
    """Download a checkpoint into the local cache and return its folder.

    Continues an interrupted download. `spec` is a hub id, optionally with `@REVISION`.
    """
    if Path(spec).is_dir():
        raise ConfigError(
            f"{spec} is a local folder and needs no download: use it with --model {spec}."
        )
    name, hub = located(spec)
    return fetch_checkpoint(name, hub.get("revision"), recheck=True)


def show(
    spec: str | Path,
    *,
    frames: int | None = None,
    hiera_frames: int | None = None,
    hiera_stage: int | None = None,
    hiera_pool: int | None = None,
) -> str:
    """Describe the parts of a checkpoint and the number of tokens per video, as text.

    Args:
        spec: A hub id, the folder of a checkpoint, or a size: `7b`, `vica-7b`, `tiny`.
        frames: Frames per video.
        hiera_frames: How many of them Hiera sees.
        hiera_stage: The Hiera stage whose output features are used.
        hiera_pool: The stride with which these features are pooled.
    """
    with explained():
        lines: list[str] = import_module("vicabench.adapters.summary").summary(
            str(spec),
            frames=frames,
            hiera_frames=hiera_frames,
            hiera_stage=hiera_stage,
            hiera_pool=hiera_pool,
        )
    return "\n".join(lines)


def init(out: str | Path, *, size: str = "tiny", family: str = "vica2", seed: int = 0) -> Path:
    """Create a checkpoint with random weights in the published layout and return its folder."""
    if size != "tiny":
        raise ConfigError(f"--size {size} is unknown: choose tiny.")
    with explained():
        import_module("vica").write_tiny_checkpoint(Path(out), family=family, seed=seed)
    return Path(out)
