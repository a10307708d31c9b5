"""`vicabench leaderboard`: one static page over benchmarks and models."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.cli.options import PublishedOption


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Run folders, folders of runs or predictions files.", metavar="RUN..."),
    ],
    *,
    out: Annotated[Path, typer.Option(help="The page.")] = Path("leaderboard.html"),
    protocol: Annotated[
        str, typer.Option(help="Grading protocols, comma-separated; the reader chooses one.")
    ] = "official",
    published: PublishedOption = False,
    title: Annotated[str, typer.Option(help="The heading of the page.")] = "Leaderboard",
) -> None:
    """Make one page of many runs: ranks, intervals, blind and debiased scores.

    A run that did not see the videos (--blind, --text-only) stands in the row
    of its model. A file report.html in a run folder is linked.
    """
    vb.leaderboard(
        paths,
        out=out,
        protocol=protocol,
        published=published,
        title=title,
        command=shlex.join(["vicabench", *sys.argv[1:]]),
    )
