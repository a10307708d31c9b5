"""`vicabench figures`: figures of existing runs for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.cli.options import ProtocolOption, PublishedOption
from vicabench.screen import say


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Run folders, folders of runs or predictions files.", metavar="RUN..."),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
    kind: Annotated[
        str | None,
        typer.Option(
            help="averages, tasks, radar, errors, letters, datasets, rooms or differences, "
            "comma-separated (default: all that can be drawn from these runs).",
        ),
    ] = None,
    format: Annotated[  # noqa: A002  (the option's name)
        str, typer.Option(help="pdf, svg and png, comma-separated.")
    ] = "pdf,svg,png",
    protocol: ProtocolOption = "official",
    published: PublishedOption = False,
    shared: Annotated[
        bool, typer.Option("--shared", help="Draw only the questions that all runs were asked.")
    ] = False,
) -> None:
    """Draw figures of runs for one column or the full width of a paper, readable in grey.

    Differences are relative to the first run. Runs on different questions
    are refused unless --shared is given.
    """
    written = vb.figures(
        paths,
        out=out,
        kinds=None if kind is None else tuple(name.strip() for name in kind.split(",")),
        formats=format,
        protocol=protocol,
        published=published,
        shared=shared,
    )
    say("Wrote " + ", ".join(str(file) for file in written))
