"""`vicabench scaling-curve`: how the score grows with the training data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vicabench.cli import run
from vicabench.cli.options import filled
from vicabench.cli.sharing import changed, with_options_of

RUN_ONLY = ("model", "out", "table", "published", "shard")


@with_options_of(run.command, but=RUN_ONLY)
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
        typer.Option(help="A published series: ViCA2-7B ... Repeat for several in one figure."),
    ] = None,
    more_models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            metavar="SPEC...",
            help="Checkpoints: a b c, or a pattern with {p} for the percent: ./mine-{p}p",
        ),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Draw the run folders in here, and run nothing."),
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Overlay the published curves of these series.")
    ] = False,
    published_only: Annotated[
        bool,
        typer.Option("--published-only", help="Redraw the published figures, and run nothing."),
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the figures and their data.")] = Path(
        "curves"
    ),
    format: Annotated[  # noqa: A002  (the option's name)
        str, typer.Option(help="Formats of the figures, comma-separated.")
    ] = "pdf,svg,png",
    run_folders: Annotated[
        Path | None,
        typer.Option(help="Folder for the run folders (default: runs/BENCHMARK)."),
    ] = None,
    evict: Annotated[
        bool,
        typer.Option(
            "--evict",
            help="After a checkpoint is evaluated, delete what this command downloaded of it.",
        ),
    ] = False,
    evict_all: Annotated[
        bool, typer.Option("--evict-all", help="The same, also what was in the cache before.")
    ] = False,
    **options: Any,
) -> None:
    """Run the checkpoints of a series that are not yet run, and draw score against data.

    The same command continues an interrupted one. Exit code 1: some checkpoint has no result,
    or some question no answer.
    """
    from vicabench.cli.curves import CurveRequest, draw_curves
    from vicabench.cli.output import figure_formats
    from vicabench.cli.running import Request
    from vicabench.engine.options import ExecutionOptions, VideoOptions
    from vicabench.types import ModelOptions

    specs = (*(more_models or ()), *(models or ()))
    tasks = options["tasks"]
    given = {
        **options,
        "models": specs,
        "tasks": () if tasks is None else tuple(name.strip() for name in tasks.split(",")),
        "options": filled(ModelOptions, options),
        "video": filled(VideoOptions, options),
        "execution": filled(ExecutionOptions, options),
        "shard": None,
        "out": run_folders,
        "table": "terminal",
        "published": published,
    }
    draw_curves(
        CurveRequest(
            run=filled(Request, given),
            series=tuple(series or ()),
            folders=tuple(runs or ()),
            published_only=published_only,
            out=out,
            formats=figure_formats(format),
            evict=evict or evict_all,
            evict_all=evict_all,
            how_to_run=changed(run.command, options) + (("--run-folders",) if run_folders else ()),
        )
    )
