"""Scores over the amount of training data: `vicabench scaling-curve`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench import files
from vicabench.benchmarks import BENCHMARKS, DEFAULT
from vicabench.benchmarks.descriptions import are_descriptions
from vicabench.curves.export import CURVE_COLUMNS, curve_rows
from vicabench.curves.measure import Series, measure, saturation
from vicabench.curves.series import Checkpoint, expanded, grouped, named_series, placed
from vicabench.errors import ConfigError, DataError, UserError, counted
from vicabench.front.benchmark import Asked, Selection
from vicabench.front.checkpoints import Cache, run_checkpoints
from vicabench.front.run_options import RunOptions
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.reference import Curve, ThinkingPoint, curves, thinking_curve
from vicabench.reporting.curve_files import write_curves, write_published
from vicabench.reporting.files import FIGURES, figure_formats
from vicabench.reporting.tables import mean_text, range_text
from vicabench.results.alike import check_alike, check_published
from vicabench.results.run import Run, load_run
from vicabench.results.store import CONFIG
from vicabench.screen import saying

if TYPE_CHECKING:
    from pandas import DataFrame

RECORD = "cache-before.json"
OFFICIAL = "official"
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ScalingCurve:
    """The measured series and the written files.

    `problems` names checkpoints without a point and series that could not be drawn.
    """

    series: tuple[Series, ...]
    files: tuple[Path, ...]
    problems: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every checkpoint has a point and every question an answer."""
        unanswered = any(p.scores.overall.failed for one in self.series for p in one.points)
        return not self.problems and not unanswered

    def frame(self) -> DataFrame:
        """One row per checkpoint and table column: the rows of our runs in `curve.csv`."""
        import pandas as pd  # noqa: PLC0415  (slow to import, and the command does not need it)

        return pd.DataFrame(curve_rows(self.series), columns=list(CURVE_COLUMNS))

    def summary(self) -> str:
        """The best point of each series, and whether the series has saturated."""
        return "\n".join(map(_summary, self.series))

    def __repr__(self) -> str:
        points = ", ".join(f"{one.name} ({len(one.points)})" for one in self.series)
        return f"<Scaling curve of {points}: {counted(len(self.files), 'file')}>"


def scaling_curve(
    models: str | Sequence[str] = (),
    benchmark: Asked = DEFAULT,
    *,
    series: str | Sequence[str] = (),
    runs: str | Path | Sequence[str | Path] = (),
    published: bool = False,
    out: str | Path = "curves",
    formats: str | Sequence[str] = FIGURES,
    run_folders: str | Path | None = None,
    protocol: str = OFFICIAL,
    evict: bool | str = False,
    frames: int | None = None,
    limit: int | None = None,
    tasks: Sequence[str] = (),
    seed: int = 0,
    retry_errors: bool = False,
    progress: bool = True,
    **options: Any,
) -> ScalingCurve:
    """Run the checkpoints that have not been run, and draw score against training data.

    Repeating the call continues an interrupted one.

    Args:
        models: Checkpoints, or a pattern with `{p}` for the percentage of data: `./mine-{p}p`.
        benchmark: What `vicabench.benchmark` takes.
        series: Published series, such as `ViCA2-7B`; with `runs`, the series to draw.
        runs: Folders whose run folders are drawn, without running anything.
        published: Whether to overlay the published curves of these series.
        out: Folder for the figures and their data.
        formats: `pdf`, `svg`, `png`.
        run_folders: Folder for the run folders; `runs/BENCHMARK` by default.
        protocol: The grading protocol.
        evict: True deletes the files downloaded for a checkpoint once it is evaluated; `"all"`
            also deletes files that were in the cache before.

    The other arguments and the errors raised are those of `vicabench.run`.
    """
    say, kinds, rule = saying(progress), figure_formats(formats), find_protocol(protocol)
    names, specs, places = _listed(series), _listed(models), [*map(Path, _listed(runs))]
    check_source(specs, names, places)
    given = RunOptions.of(options, frames=frames)
    how = {"seed": seed, "retry_errors": retry_errors, "progress": progress, "frames": frames}
    if places:
        results = _from_folders(places, names, rule, published, say)
    else:
        results = _from_checkpoints(
            [*chain(*map(named_series, names), *map(expanded, specs))],
            _asked(benchmark, given, published, limit=limit, tasks=tasks, progress=progress),
            Cache(Path(out) / RECORD if evict else None, everything=evict == "all"),
            given=given,
            how={**how, "protocol": protocol, **options},
            out=None if run_folders is None else Path(run_folders),
            say=say,
        )
    measured, problems = _drawable(results, say)
    overlaid, thinking = _overlaid(measured, say, published=published, strict=bool(places))
    written = write_curves(Path(out), kinds, measured, overlaid, thinking)
    return ScalingCurve(series=tuple(measured), files=tuple(written), problems=tuple(problems))


def published_curves(
    out: str | Path = "curves",
    *,
    series: str | Sequence[str] = (),
    formats: str | Sequence[str] = FIGURES,
) -> list[Path]:
    """Redraw the published figures of these series, or of all, and export their numbers.

    Returns:
        The written files.

    Raises:
        ConfigError: For a series that is not published.
    """
    return write_published(Path(out), figure_formats(formats), _listed(series))


def _listed(given: Any) -> list[Any]:
    return [given] if isinstance(given, str | Path) else list(given)


def check_source(specs: Sequence[str], series: Sequence[str], places: Sequence[Path]) -> None:
    """Raise ConfigError if nothing is given to draw, or models beside existing runs."""
    if places and specs:
        raise ConfigError(
            "--runs draws existing runs only: leave out --models and --evict, or --runs."
        )
    if not (specs or places or series):
        raise ConfigError(
            "There is nothing to draw. Give --series ViCA2-7B, --models ./mine-{p}p, --runs DIR or "
            "--published-only."
        )


def _asked(
    source: Asked,
    given: RunOptions,
    published: bool,
    *,
    limit: int | None,
    tasks: Sequence[str],
    progress: bool,
) -> Selection:
    """Select the questions; ConfigError if published curves are for another benchmark."""
    if isinstance(source, str | Path) and str(source) in BENCHMARKS:
        check_published(published, str(source), ())
    asked = given.selected(source, limit, tasks, progress, True)
    check_published(published, asked.benchmark.name, asked.benchmark.questions)
    return asked


def _from_checkpoints(
    listed: Sequence[Checkpoint],
    asked: Selection,
    cache: Cache,
    *,
    given: RunOptions,
    how: Mapping[str, Any],
    out: Path | None,
    say: Say,
) -> list[Series | str]:
    points, given = grouped(listed), given.for_benchmark(asked.benchmark)
    specs = [point.spec for one in points.values() for point in one]
    results = run_checkpoints(specs, asked, cache, given=given, how=how, out=out, say=say)
    protocol = find_protocol(how["protocol"])
    measured: list[Series | str] = []
    for name, checkpoints in points.items():
        runs = {
            p.percent: load_run(results.folders[p.spec])
            for p in checkpoints
            if p.spec in results.folders
        }
        gaps = {p.percent: results.gaps[p.spec] for p in checkpoints if p.spec in results.gaps}
        measured.append(_measured(name, runs, protocol, gaps))
    return measured


def _overlaid(
    measured: Sequence[Series], say: Say, *, published: bool, strict: bool
) -> tuple[list[Curve], Sequence[ThinkingPoint]]:
    """The published curves of these series, if requested.

    Without any, a ConfigError is raised if `strict`; otherwise a message is printed.
    """
    if not published:
        return [], ()
    names = {one.name for one in measured}
    overlaid = [curve for curve in curves() if curve.series in names]
    thoughts = any(point.adoption for one in measured for point in one.points)
    thinking = thinking_curve() if thoughts else ()
    if not overlaid and not thinking:
        known = ", ".join(curve.series for curve in curves())
        problem = (
            f"No curve of {', '.join(sorted(names))} is published; published curves are {known}"
        )
        if strict:
            raise ConfigError(f"{problem}. Leave out --published.")
        say(f"{problem}. --published adds nothing.")
    return overlaid, thinking


def _from_folders(
    places: Sequence[Path], series: Sequence[str], protocol: Protocol, published: bool, say: Say
) -> list[Series | str]:
    runs = [load_run(folder) for place in places for folder in _run_folders(place, say)]
    for run in runs:
        check_published(published, run.benchmark, run.questions)
    by_series = placed(runs)
    wanted = {name.casefold() for name in series}
    if unknown := wanted - {name.casefold() for name in by_series}:
        raise ConfigError(
            f"No run of {', '.join(sorted(unknown))} was found. There are runs of "
            f"{', '.join(by_series)}."
        )
    drawn: dict[str, Mapping[float, Run]] = {}
    for name, by_percent in by_series.items():
        if wanted and name.casefold() not in wanted:
            continue
        if not wanted and len(by_percent) == 1:
            say(f"{name} has a single run and is left out (--series {name} draws it).")
            continue
        drawn[name] = by_percent
    check_alike(
        [next(iter(runs.values())) for runs in map(_finished, drawn.values()) if runs],
        advice="Draw one series at a time, with --series.",
    )
    return [_measured(name, by_percent, protocol, {}) for name, by_percent in drawn.items()]


def _finished(runs: Mapping[float, Run]) -> dict[float, Run]:
    return {percent: run for percent, run in runs.items() if not run.incomplete}


def _run_folders(place: Path, say: Say) -> list[Path]:
    """The run folders in a folder, at any depth; DataError if there are none.

    Runs of descriptions, which cannot be graded, are skipped, as are checkpoints.
    """
    folders = []
    for file in sorted(place.rglob(CONFIG)):
        plan = _plan_in(file)
        if plan is not None and are_descriptions(plan):
            say(f"{file.parent} holds descriptions: left out.")
        elif plan is not None:
            folders.append(file.parent)
    if not folders:
        raise DataError(f"{place} has no run folder that can be graded.")
    return folders


def _plan_in(file: Path) -> Mapping[str, Any] | None:
    """The plan in a run folder's config file; None for the config file of anything else."""
    try:
        content = json.loads(files.read(file))
    except (OSError, ValueError, RecursionError):
        return {"videos": {}}  # damaged: loading the run reports it
    if not isinstance(content, dict) or not {"config", "digest"} & content.keys():
        return None
    plan = content.get("plan")
    videos = plan.get("videos") if isinstance(plan, dict) else None
    known = isinstance(videos, dict) and all(isinstance(asked, dict) for asked in videos.values())
    return {"videos": videos if known else {}}


def _measured(
    name: str, runs: Mapping[float, Run], protocol: Protocol, gaps: Mapping[float, str]
) -> Series | str:
    """The series, or the reason why it has no point."""
    try:
        return measure(name, runs, protocol, gaps)
    except UserError as error:
        return str(error)


def _drawable(results: Sequence[Series | str], say: Say) -> tuple[list[Series], list[str]]:
    """The series that can be drawn, and the problems, which are also reported.

    Raises:
        DataError: If no series can be drawn.
    """
    series = [one for one in results if isinstance(one, Series)]
    problems = [one for one in results if isinstance(one, str)]
    if not series:
        raise DataError("There is nothing to draw. " + " ".join(problems))
    for one in series:
        problems += [f"{one.name} has a gap at {p}%: {why}" for p, why in sorted(one.gaps.items())]
    for problem in problems:
        say(problem)
    return series, problems


def _summary(one: Series) -> str:
    """The best point of a series, and whether it has saturated."""
    best = one.best.scores.overall
    lines = [
        f"{one.name}: {counted(len(one.points), 'checkpoint')}; best {mean_text(best)} "
        f"[{range_text(best)}] at {one.best.percent}% (n = {counted(best.count, 'question')} in "
        f"{counted(best.clusters, 'video')}, protocol {one.best.scores.protocol}).",
        saturation(one.name, one.tail, one.fit),
    ]
    return "\n".join(filter(None, lines))
