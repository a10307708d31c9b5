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
            help="averages, tasks, radar, errors, letters, datasets, rooms, differences, ranks or "
            "chance, comma-separated (default: all that can be drawn from these runs).",
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
    width: Annotated[
        str | None,
        typer.Option(help="column (3.3 inches), text (7 inches) or inches (default: as fits)."),
    ] = None,
    font: Annotated[
        str | None,
        typer.Option(help="A font of this machine, or serif, sans-serif or monospace."),
    ] = None,
    font_size: Annotated[
        float | None,
        typer.Option(min=4, max=30, help="Size of the larger texts in points (default: 7)."),
    ] = None,
    no_notes: Annotated[
        bool,
        typer.Option("--no-notes", help="Leave out what stands below: n, protocol, intervals."),
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
        width=width,
        font=font,
        font_size=font_size,
        notes=not no_notes,
    )
    say("Wrote " + ", ".join(str(file) for file in written))
