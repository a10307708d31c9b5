"""Checkpoints on the hub and in the local cache: `vicabench models`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from vicabench.adapters import SHIPPED
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
    """One row per checkpoint in the package, then one per published checkpoint.

    `bytes` is its size in the local cache, None if absent; `whole` tells whether it is complete.
    """
    import pandas as pd  # noqa: PLC0415  (slow to import, and the command does not need it)

    local = cached()
    included: list[dict[str, object]] = [
        {
            "checkpoint": name,
            "family": "vica2",
            "series": "Rooms",
            "percent": 100,
            "stage": "included",
            "bytes": shipped_size(name),
            "whole": True,
            "description": SHIPPED_FOR[name],
        }
        for name in SHIPPED
    ]
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
    return pd.DataFrame([*included, *rows])


SHIPPED_FOR = {
    "vica2-rooms": "a tiny ViCA2, trained on Rooms",
    "vica2-rooms-base": "the tiny ViCA2 that training on Rooms starts from",
}
"""What the checkpoints in the package are."""


def shipped_size(name: str) -> int:
    """The bytes of a checkpoint in the package."""
    return sum(file.stat().st_size for file in SHIPPED[name].iterdir())


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
        spec: A hub id or the folder of any checkpoint that runs, `vica2-rooms`, or a size: `7b`,
            `vica-7b`, `tiny`. Published checkpoints of ViCA need no connection.
        frames: Frames per video.
        hiera_frames: How many of them Hiera sees.
        hiera_stage: The Hiera stage whose output features are used.
        hiera_pool: The stride with which these features are pooled.
    """
    with explained():
        lines: list[str] = import_module("vicabench.adapters.summary").summary(
            str(spec),
            published=published_size(str(spec)),
            frames=frames,
            hiera_frames=hiera_frames,
            hiera_stage=hiera_stage,
            hiera_pool=hiera_pool,
        )
    return "\n".join(lines)


def published_size(spec: str) -> str | None:
    """The size of a published checkpoint, such as `vica2-7b`; None for any other spec."""
    families = {model.repo: model.family for model in model_zoo()}
    family = families.get(spec.partition("@")[0])
    return None if family is None else f"{family}-7b"


def init(out: str | Path, *, size: str = "tiny", family: str = "vica2", seed: int = 0) -> Path:
    """Create a checkpoint with random weights in the published layout and return its folder."""
    if size != "tiny":
        raise ConfigError(f"--size {size} is unknown: choose tiny.")
    with explained():
        import_module("vica").write_tiny_checkpoint(Path(out), family=family, seed=seed)
    return Path(out)
