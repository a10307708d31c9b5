"""Paths of run folders, by default `runs/BENCHMARK/MODEL`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from vicabench.engine.shards import Shard
from vicabench.errors import ConfigError, counted
from vicabench.files import digest_of
from vicabench.results.store import run_predictions

RUNS = Path("runs")


def slug(name: str) -> str:
    """A name in which other characters than letters, digits, `.` and `_` become `-`."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.") or "run"


def run_folders(
    models: Sequence[str],
    benchmark: str,
    *,
    out: Path | None = None,
    suffix: str = "",
    shard: Shard | None = None,
) -> dict[str, Path]:
    """The run folder of each model: `out` itself for one model, a folder in it for several.

    The folder of a part is named after the part, beside the folder of the whole run.
    """
    alone = len(dict.fromkeys(models)) == 1
    if out and alone:
        folders = dict.fromkeys(models, out)
    else:
        folders = folders_within(models, benchmark, out=out, suffix=suffix)
    if shard is None:
        return folders
    return {model: _beside(folder, shard.suffix) for model, folder in folders.items()}


def folders_within(
    models: Sequence[str], benchmark: str, *, out: Path | None = None, suffix: str = ""
) -> dict[str, Path]:
    """A run folder for each model, in `out` or in the benchmark's default folder."""
    models = list(dict.fromkeys(models))
    parent = out or RUNS / slug(benchmark)
    slugs = Counter(slug(model).casefold() for model in models)
    return {
        # Models whose slugs collide get a digest of their full name.
        model: parent / (own + ("" if slugs[own.casefold()] == 1 else f"-{_short(model)}") + suffix)
        for model in models
        for own in [slug(model)]
    }


def new_folder(benchmark: str, name: str) -> Path:
    """A run folder that does not exist yet."""
    now = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S-%f")
    return RUNS / slug(benchmark) / f"{slug(name)}-{now}"


def kept(folder: Path, questions: int) -> str:
    """A message about an interrupted run of so many questions."""
    count = len(run_predictions(folder))
    return (
        f"Interrupted. {folder} keeps {count:,} of {counted(questions, 'answer')}; "
        "repeat the same command to continue."
    )


def _beside(folder: Path, suffix: str) -> Path:
    named = folder if folder.name not in ("", "..") else folder.resolve()  # `.` has no name
    if not named.name:
        raise ConfigError(
            f"--out {folder}: a folder cannot be created beside it. Name another folder."
        )
    return named.with_name(named.name + suffix)


def _short(model: str) -> str:
    return digest_of(model)[:8]
