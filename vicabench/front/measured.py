"""What earlier starts of a model measured: seconds a video on this machine, tokens a question."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vicabench import files
from vicabench.errors import RunFolderError, counted
from vicabench.results.store import CONFIG, TIMING, machine, read_config
from vicabench.types import ModelOptions

SPEED = ("device", "dtype", "attention", "max_new_tokens", "group_size", "vision_batch", "compile")
"""Options that have to be the same for a rate to apply."""
TOKENS = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "new_tokens")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is known; `usage` has the mean tokens of an answered call, by name."""

    seconds_a_video: float | None = None
    where: str | None = None
    usage: Mapping[str, float] | None = None


def measured(
    model: str,
    benchmark: str,
    looks: Mapping[str, Any],
    folder: Path,
    options: ModelOptions,
    repeats: int = 1,
) -> Measured:
    """Read the timings of runs of this model in the folder and beside it.

    `looks` is what a run's configuration says of its frames. Only starts of this machine with the
    same frames, repeats and options of speed count for the rate.
    """
    seconds = answered = 0.0
    videos = 0
    tokens = dict.fromkeys(TOKENS, 0.0)
    places: dict[str, None] = {}
    for place, start, timing in _timings(model, benchmark, looks, folder):
        if _is_alike(start, options, repeats):
            seconds, videos = seconds + timing["wall"], videos + timing["videos"]
            places[str(place)] = None
        calls = timing.get("calls") or {}
        answered += calls.get("answered") or 0
        for name in TOKENS:
            tokens[name] += calls.get(name) or 0
    where = f"{counted(videos, 'video')} of {', '.join(places)}" if videos else None
    return Measured(
        seconds_a_video=seconds / videos if videos else None,
        where=where,
        usage={k: n / answered for k, n in tokens.items()} if answered else None,
    )


def _is_alike(start: Mapping[str, Any], options: ModelOptions, repeats: int) -> bool:
    then, now = start.get("options") or {}, asdict(options)
    if (start.get("asked") or {}).get("repeats", 1) != repeats:
        return False
    here = start.get("machine") == machine() and not start.get("execution", {}).get("executor")
    return here and all(then.get(name) == now[name] for name in SPEED)


def _timings(
    model: str, benchmark: str, looks: Mapping[str, Any], folder: Path
) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """The folder, record and timing of every start of such a run."""
    beside = sorted(file.parent for file in folder.absolute().parent.glob(f"*/{CONFIG}"))
    for place in beside:
        try:
            content = read_config(place)
            lines = files.read(place / TIMING).decode().splitlines()
            records = [json.loads(line) for line in lines]
        except (OSError, ValueError, RunFolderError):
            continue
        wanted = {"model": model, "benchmark": benchmark, **looks}
        if content is None or any(content["config"][k] != v for k, v in wanted.items()):
            continue
        starts = {start.get("started"): start for start in content["starts"]}
        for record in records:
            if record.get("started") in starts and record.get("videos"):
                shown = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
                yield shown, starts[record["started"]], record
