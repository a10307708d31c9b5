"""`vicabench report`: runs as one HTML page, or as tables for a README or a paper."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.cli.options import LONGEST_TIMEOUT, PublishedOption
from vicabench.front.report import HTML, PAGE
from vicabench.options import VIDEO_TIMEOUT
from vicabench.screen import echo


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Run folders, folders of runs or predictions files.", metavar="RUN..."),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="The output file (default: report.html; tables go to standard output)."),
    ] = None,
    kind: Annotated[
        str, typer.Option("--format", help="html, or tables in markdown or latex.")
    ] = "html",
    protocol: Annotated[
        str, typer.Option(help="Grading protocols, comma-separated; tables use the first.")
    ] = "official",
    compare: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The run to compare all others with."),
    ] = None,
    published: PublishedOption = False,
    frames: Annotated[
        int | None,
        typer.Option(
            min=0, help="Frames shown of each video; 0 for none (default: as many as fit)."
        ),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(help="Benchmark of the videos (default: the one that the runs name)."),
    ] = None,
    videos: Annotated[Path | None, typer.Option(help="The folder of the videos.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Decoding processes.")] = None,
    video_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=LONGEST_TIMEOUT,
            help=f"Seconds after which decoding of a video is abandoned: {VIDEO_TIMEOUT:g}.",
        ),
    ] = None,
) -> None:
    """Make a self-contained page of tables, figures and all questions with their replies.

    The page needs neither network nor other files. Videos that are missing or
    cannot be decoded are shown without frames. Runs of vicabench maps give a
    page of the maps, each beside the true one.
    """
    file = out or (PAGE if kind == HTML else None)
    text = vb.report(
        paths,
        out=file,
        style=kind,
        protocol=protocol,
        compare=compare,
        published=published,
        frames=frames,
        benchmark=benchmark,
        videos=videos,
        workers=workers,
        video_timeout=video_timeout,
        command=shlex.join(["vicabench", *sys.argv[1:]]),
    )
    if file is None:
        echo(text.removesuffix("\n"))
