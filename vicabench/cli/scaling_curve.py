"""`vicabench scaling-curve`: scores over the amount of training data."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import vicabench as vb
from vicabench.benchmarks import BENCHMARKS, DEFAULT
from vicabench.cli.options import changed, only_one, tasks_named, with_options_of
from vicabench.cli.run import command as run_command
from vicabench.cli.run import run_options
from vicabench.cli.usage import ASKED, MODEL, OUTPUT, SPEED
from vicabench.errors import ConfigError, counted
from vicabench.front.benchmark import Selection
from vicabench.front.run_options import RunOptions
from vicabench.front.scaling import check_source
from vicabench.harnesses.protocols import find_protocol
from vicabench.reporting.files import figure_formats
from vicabench.results.alike import check_published
from vicabench.screen import echo, say

RUN_ONLY = ("model", "preset", "out", "table", "published", "shard", "config", "dry_run")


@with_options_of(run_command, but=RUN_ONLY)
def command(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Checkpoints, as for --models.", metavar="[SPEC]...", show_default=False
        ),
    ] = None,
    *,
    series: Annotated[
        list[str] | None,
        typer.Option(
            help="A published series, such as ViCA2-7B. Repeat for several in one figure.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    more_models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            metavar="SPEC...",
            help="Checkpoints: a b c, or a pattern with {p} for the percentage: ./mine-{p}p",
            rich_help_panel=MODEL,
        ),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Draw the run folders in this folder; run nothing.",
            rich_help_panel=ASKED,
        ),
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Overlay the published curves of these series.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    published_only: Annotated[
        bool,
        typer.Option(
            "--published-only",
            help="Redraw the published figures; run nothing.",
            rich_help_panel=ASKED,
        ),
    ] = False,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the figures and their data.", metavar="DIR", rich_help_panel=OUTPUT
        ),
    ] = Path("curves"),
    format: Annotated[  # noqa: A002  (the option's name)
        str,
        typer.Option(
            help="Formats of the figures, comma-separated.", metavar="LIST", rich_help_panel=OUTPUT
        ),
    ] = "pdf,svg,png",
    run_folders: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the run folders (default: runs/BENCHMARK).",
            metavar="DIR",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    evict: Annotated[
        bool,
        typer.Option(
            "--evict",
            help="Delete what this command downloaded of a checkpoint once it is evaluated.",
            rich_help_panel=SPEED,
        ),
    ] = False,
    evict_all: Annotated[
        bool,
        typer.Option(
            "--evict-all",
            help="As --evict, but also delete what was in the cache before.",
            rich_help_panel=SPEED,
        ),
    ] = False,
    **options: Any,
) -> None:
    """Run the checkpoints of a series that have not been run, and draw score against data.

    Repeat the same command to continue an interrupted one. Exit code 1: some
    checkpoint has no result, or some question has no answer.
    """
    specs = (*(more_models or ()), *(models or ()))
    typed = changed(run_command, options) + (("--run-folders",) if run_folders else ())
    evicting = evict or evict_all
    formats = figure_formats(format)
    if published_only:
        _check_published_only(bool(specs or runs or evicting or published), typed)
        _say_files(vb.published_curves(out, series=series or (), formats=formats))
        return
    if runs:
        _check_runs_only(bool(specs or evicting), typed)
    check_source(specs, series or (), runs or ())
    how = {name: options[name] for name in ("frames", "seed", "retry_errors", "protocol")}
    curve = vb.scaling_curve(
        specs,
        DEFAULT if runs else _asked(options, published),
        series=series or (),
        runs=runs or (),
        published=published,
        out=out,
        formats=formats,
        run_folders=run_folders,
        evict="all" if evict_all else evict,
        **how,
        **run_options(options),
    )
    echo(curve.summary())
    _say_files(curve.files)
    sys.exit(0 if curve.complete else 1)


def _asked(options: Mapping[str, Any], published: bool) -> Selection:
    """Select the questions, after refusing wrong options."""
    RunOptions.of(run_options(options), frames=options["frames"]).check()
    find_protocol(options["protocol"])
    name = only_one(options["benchmark"])
    if name in BENCHMARKS:
        check_published(published, name, ())
    where = {key: options[key] for key in ("subset", "data", "videos", "limit")}
    tasks = tasks_named(options["tasks"])
    return vb.benchmark(name, tasks=tasks, videos_needed=not options["no_video"], **where)


def _check_published_only(others: bool, typed: Sequence[str]) -> None:
    """Raise ConfigError for options that would be ignored."""
    if others:
        raise ConfigError(
            "--published-only uses no models or runs: leave out --models, --runs, --published "
            "and --evict, or --published-only."
        )
    _refuse(typed)


def _check_runs_only(others: bool, typed: Sequence[str]) -> None:
    """Raise ConfigError for options that would be ignored."""
    if others:
        raise ConfigError(
            "--runs draws existing runs only: leave out --models and --evict, or --runs."
        )
    _refuse([name for name in typed if name != "--protocol"])


def _refuse(typed: Sequence[str]) -> None:
    if typed:
        raise ConfigError(f"--runs and --published-only run nothing: leave out {', '.join(typed)}.")


def _say_files(files: Sequence[Path]) -> None:
    names = ", ".join(file.name for file in files)
    say(f"Wrote {counted(len(files), 'file')} to {files[0].parent}: {names}")
