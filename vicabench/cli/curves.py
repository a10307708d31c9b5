"""What `vicabench scaling-curve` does once its options are parsed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from vicabench import files
from vicabench.benchmarks import BENCHMARKS
from vicabench.benchmarks.descriptions import are_descriptions
from vicabench.cli.checkpoints import Cache, run_checkpoints
from vicabench.cli.curve_files import write_curves, write_published
from vicabench.cli.output import check_published
from vicabench.cli.running import Request, say
from vicabench.curves.measure import Series, measure, saturation
from vicabench.curves.series import expanded, grouped, named_series, placed
from vicabench.errors import ConfigError, DataError, UserError, counted
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.reference import Curve, ThinkingPoint, curves, thinking_curve
from vicabench.reporting.tables import mean_text, range_text
from vicabench.results.alike import check_alike
from vicabench.results.run import Run, load_run
from vicabench.results.store import CONFIG
from vicabench.screen import console, echo

RECORD = "cache-before.json"


@dataclass(frozen=True, kw_only=True)
class CurveRequest:
    """The options of one `vicabench scaling-curve`.

    `run` is how checkpoints are run; `how_to_run` are the options about that which were typed.
    """

    run: Request
    series: tuple[str, ...]
    folders: tuple[Path, ...]
    published_only: bool
    out: Path
    formats: tuple[str, ...]
    evict: bool
    evict_all: bool
    how_to_run: tuple[str, ...]


def draw_curves(request: CurveRequest) -> None:
    """Run what is missing, draw, say what there is to say, and exit with what that comes to."""
    _check(request)
    terminal = console(stderr=True)
    if request.published_only:
        _say_files(write_published(request.out, request.formats, request.series), terminal)
        return
    protocol = find_protocol(request.run.protocol)
    run = _from_folders if request.folders else _from_checkpoints
    measured, complete = _drawable(run(request, protocol, terminal), terminal)
    for one in measured:
        _summary(one)
    overlaid, thinking = _overlaid(request, measured, terminal)
    _say_files(write_curves(request.out, request.formats, measured, overlaid, thinking), terminal)
    sys.exit(0 if complete else 1)


def _overlaid(
    request: CurveRequest, measured: Sequence[Series], terminal: Console
) -> tuple[list[Curve], Sequence[ThinkingPoint]]:
    """The published curves of these series, if asked for.

    Where there are none that is a ConfigError, but said only where checkpoints were run for it.
    """
    if not request.run.published:
        return [], ()
    names = {one.name for one in measured}
    overlaid = [curve for curve in curves() if curve.series in names]
    thoughts = any(point.adoption for one in measured for point in one.points)
    thinking = thinking_curve() if thoughts else ()
    if not overlaid and not thinking:
        known = ", ".join(curve.series for curve in curves())
        said = f"No curve of {', '.join(sorted(names))} is published, but of {known}"
        if request.folders:
            raise ConfigError(f"{said}: leave out --published.")
        say(terminal, f"{said}: --published adds nothing.")
    return overlaid, thinking


def _check(request: CurveRequest) -> None:
    """Options that say nothing together, or would be ignored, are errors, never silence."""
    models, folders = request.run.models, request.folders
    if request.published_only and (models or folders or request.evict or request.run.published):
        raise ConfigError(
            "--published-only runs and reads nothing: leave out --models, --runs, --published "
            "and --evict, or --published-only."
        )
    if folders and (models or request.evict):
        raise ConfigError("--runs draws what was run: leave out --models and --evict, or --runs.")
    if not (request.published_only or models or folders or request.series):
        raise ConfigError(
            "Say what to draw: --series ViCA2-7B, --models ./mine-{p}p, --runs DIR or "
            "--published-only."
        )
    used = ("--protocol",) if folders else ()
    unused = [name for name in request.how_to_run if name not in used]
    if unused and (folders or request.published_only):
        raise ConfigError(
            f"--runs and --published-only run nothing: leave out {', '.join(unused)}."
        )
    if not folders and not request.published_only and request.run.benchmark in BENCHMARKS:
        check_published(request.run.published, request.run.benchmark, ())


def _from_checkpoints(
    request: CurveRequest, protocol: Protocol, terminal: Console
) -> list[Series | str]:
    points = [point for name in request.series for point in named_series(name)]
    points += [point for spec in request.run.models for point in expanded(spec)]
    series = grouped(points)
    specs = tuple(point.spec for found in series.values() for point in found)
    cache = Cache(request.out / RECORD if request.evict else None, everything=request.evict_all)
    results = run_checkpoints(replace(request.run, models=specs), cache, terminal)
    measured: list[Series | str] = []
    for name, found in series.items():
        runs = {
            p.percent: load_run(results.folders[p.spec]) for p in found if p.spec in results.folders
        }
        gaps = {p.percent: results.gaps[p.spec] for p in found if p.spec in results.gaps}
        measured.append(_measured(name, runs, protocol, gaps))
    return measured


def _from_folders(
    request: CurveRequest, protocol: Protocol, terminal: Console
) -> list[Series | str]:
    runs = [
        load_run(folder) for place in request.folders for folder in _run_folders(place, terminal)
    ]
    for run in runs:
        check_published(request.run.published, run.benchmark, run.questions)
    found = placed(runs)
    wanted = {name.casefold() for name in request.series}
    if unknown := wanted - {name.casefold() for name in found}:
        raise ConfigError(
            f"There is no run of {', '.join(sorted(unknown))} there, but of {', '.join(found)}."
        )
    drawn: dict[str, Mapping[float, Run]] = {}
    for name, by_percent in found.items():
        if wanted and name.casefold() not in wanted:
            continue
        if not wanted and len(by_percent) == 1:
            say(terminal, f"{name} is one run, not a curve: left out (--series {name} draws it).")
            continue
        drawn[name] = by_percent
    check_alike(
        [next(iter(runs.values())) for runs in map(_finished, drawn.values()) if runs],
        advice="Draw one series at a time, with --series.",
    )
    return [_measured(name, by_percent, protocol, {}) for name, by_percent in drawn.items()]


def _finished(runs: Mapping[float, Run]) -> dict[float, Run]:
    return {percent: run for percent, run in runs.items() if not run.incomplete}


def _run_folders(place: Path, terminal: Console) -> list[Path]:
    """The run folders in a folder, at any depth; DataError if there is none.

    Those of descriptions, which cannot be graded, are left out, and so are checkpoints.
    """
    found = []
    for file in sorted(place.rglob(CONFIG)):
        plan = _plan_in(file)
        if plan is not None and are_descriptions(plan):
            say(terminal, f"{file.parent} holds descriptions: left out.")
        elif plan is not None:
            found.append(file.parent)
    if not found:
        raise DataError(f"There is no run folder in {place} that can be graded.")
    return found


def _plan_in(file: Path) -> Mapping[str, Any] | None:
    """What a run folder's configuration plans; None for a configuration of something else."""
    try:
        content = json.loads(files.read(file))
    except (OSError, ValueError, RecursionError):
        return {"videos": {}}  # damaged, which is said by who reads the run
    if not isinstance(content, dict) or not {"config", "digest"} & content.keys():
        return None
    plan = content.get("plan")
    videos = plan.get("videos") if isinstance(plan, dict) else None
    known = isinstance(videos, dict) and all(isinstance(asked, dict) for asked in videos.values())
    return {"videos": videos if known else {}}


def _measured(
    name: str, runs: Mapping[float, Run], protocol: Protocol, gaps: Mapping[float, str]
) -> Series | str:
    """The series, or why it has no point."""
    try:
        return measure(name, runs, protocol, gaps)
    except UserError as error:
        return str(error)


def _drawable(found: Sequence[Series | str], terminal: Console) -> tuple[list[Series], bool]:
    """The series that can be drawn, and whether all is there; what is missing is said.

    DataError if there is none.
    """
    series = [one for one in found if isinstance(one, Series)]
    problems = [one for one in found if isinstance(one, str)]
    if not series:
        raise DataError("There is nothing to draw. " + " ".join(problems))
    for one in series:
        problems += [f"{one.name} has a gap at {p}%: {why}" for p, why in sorted(one.gaps.items())]
    for problem in problems:
        say(terminal, problem)
    unanswered = any(point.scores.overall.failed for one in series for point in one.points)
    return series, not problems and not unanswered


def _summary(one: Series) -> None:
    """The best point and the answer to `has it saturated?`, on standard output."""
    best = one.best.scores.overall
    lines = [
        f"{one.name}: {counted(len(one.points), 'checkpoint')}; best {mean_text(best)} "
        f"[{range_text(best)}] at {one.best.percent}% (n = {counted(best.count, 'question')} in "
        f"{counted(best.clusters, 'video')}, protocol {one.best.scores.protocol}).",
        saturation(one.name, one.tail, one.fit),
    ]
    echo("\n".join(filter(None, lines)))


def _say_files(files: Sequence[Path], terminal: Console) -> None:
    names = ", ".join(file.name for file in files)
    say(terminal, f"Wrote {counted(len(files), 'file')} to {files[0].parent}: {names}")
