"""Runs between two others: each has some settings of A and the rest of B."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vicabench.errors import ConfigError
from vicabench.front.benchmark import benchmark
from vicabench.front.run import run as run_model
from vicabench.results.run import Run
from vicabench.results.settings import ASKING, kind_of, settings_between
from vicabench.results.store import ASKED_AS, OPTIONS
from vicabench.scoring.parts import Combination, combinations

WHERE = ("subset", "data", "videos", "revision", "config", "split")
"""Options about the questions, beside their source."""
NOT_ASKED = {*WHERE, "model", "benchmark", "limit", "tasks", "out", "shard", "protocol"}
PRESETS = ("preset", "as")


def kinds_between(a: Run, b: Run) -> list[str]:
    """The parts of the asking in which the configurations of two runs differ."""
    found = {setting.kind for setting in settings_between(a.config, b.config)}
    return [kind for kind in ASKING if kind in found]


def placed(a: Run, b: Run, between: Sequence[Run]) -> dict[Combination, Run]:
    """Every run by whose settings it has, in the order of `kinds_between`: 0 for A's, 1 for B's.

    Raises:
        ConfigError: A run has settings of neither, or combinations are missing.
    """
    kinds = kinds_between(a, b)
    if not kinds:
        raise ConfigError(
            f"{a.name} and {b.name} record no difference of the asking that a run between them "
            "could have half of."
        )
    runs = {_place(run, a, b, kinds): run for run in between}
    runs |= {(0,) * len(kinds): a, (1,) * len(kinds): b}
    missing = [c for c in combinations(len(kinds)) if c not in runs]
    if missing:
        lists = "; ".join(_named(kinds, c) for c in missing)
        raise ConfigError(f"To split the asking, runs with these settings are missing: {lists}.")
    return runs


def _place(run: Run, a: Run, b: Run, kinds: Sequence[str]) -> Combination:
    from_a, from_b = (
        {setting.kind for setting in settings_between(run.config, one.config)} for one in (a, b)
    )
    for kind in kinds:
        if kind in from_a and kind in from_b:
            raise ConfigError(
                f"{run.path} has another {kind} than {a.name} and {b.name}: it is not between them."
            )
    return tuple(int(kind in from_a) for kind in kinds)


def _named(kinds: Sequence[str], combination: Combination) -> str:
    return ", ".join(f"{k} of {'AB'[bit]}" for k, bit in zip(kinds, combination, strict=True))


def ask_between(a: Run, b: Run, folder: Path, videos: int) -> list[Run]:
    """Run every combination of the settings of two runs on their first videos.

    Args:
        a: A run folder of `vicabench run`.
        b: Another one, of the same model and benchmark.
        folder: Where the run folders go; runs that are there are continued.
        videos: About how many videos each asks.

    Raises:
        UserError: For folders without their options, and as `run` does.
    """
    ours, theirs = (_options(run) for run in (a, b))
    kinds = kinds_between(a, b)
    made = []
    for combination in combinations(len(kinds)):
        if 0 < sum(combination) < len(kinds):
            chosen = {k: (ours, theirs)[bit] for k, bit in zip(kinds, combination, strict=True)}
            asked = {n: chosen.get(kind_of(n), ours).get(n) for n in {**ours, **theirs}}
            name = "-".join(
                f"{kind}-{'ab'[bit]}" for kind, bit in zip(kinds, combination, strict=True)
            )
            made.append(_ask(asked, folder / name, videos))
    return made


def _ask(asked: Mapping[str, Any], out: Path, videos: int) -> Run:
    where = {name: asked[name] for name in WHERE if asked.get(name) is not None}
    unseen = bool(asked.get("no_video") or asked.get("text_only"))
    questions = benchmark(asked["benchmark"], limit=videos, videos_needed=not unseen, **where)
    options = {n: v for n, v in asked.items() if n not in NOT_ASKED and v is not None}
    return run_model(asked["model"], questions, out=out, **options)


def _options(run: Run) -> dict[str, Any]:
    """The options in the `run.yaml` of a run folder, with those that its preset decided."""
    file = run.path / OPTIONS
    if not file.is_file():
        raise ConfigError(
            f"{run.path} has no {OPTIONS}, so it cannot be asked again: it was not made by "
            "`vicabench run`. Name runs between the two with --between."
        )
    import yaml  # noqa: PLC0415  (40 ms, for runs alone)

    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    typed = content if isinstance(content, dict) else {}
    record = run.config["config"]["adapter"].get(ASKED_AS) if run.config else None
    decided = record.get("decided") if isinstance(record, Mapping) else None
    known = {**typed, **(decided if isinstance(decided, Mapping) else {})}
    return {name: value for name, value in known.items() if name not in PRESETS}


def command_between(a: Run, b: Run, kind: str) -> Iterator[str]:
    """The command that asks as run A, with one part of the asking as run B; none for imports."""
    try:
        ours, theirs = _options(a), _options(b)
    except ConfigError:
        return
    changed = [n for n in {**ours, **theirs} if kind_of(n) == kind and ours.get(n) != theirs.get(n)]
    if changed and all(theirs.get(name) is not None for name in changed):
        words = [w for n in changed for w in (f"--{n.replace('_', '-')}", str(theirs[n]))]
        config = ["--config", str(a.path / OPTIONS), "--out", f"{a.path}-{kind}"]
        yield shlex.join(["vicabench", "run", *config, *words])
