"""`vicabench compare`: is one run better than another, where, and is it real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vicabench.cli.options import FormatOption, ProtocolOption


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Run folders or predictions files; the first is A.", metavar="RUN..."),
    ],
    *,
    protocol: ProtocolOption = "official",
    table: FormatOption = "terminal",
    shared: Annotated[
        bool, typer.Option("--shared", help="Compare on the questions that both were asked.")
    ] = False,
    fixed: Annotated[
        int, typer.Option(min=0, help="List so many questions that B fixed, and that it broke.")
    ] = 0,
    published: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A published row to compare every run with (unpaired)."),
    ] = None,
    subtract: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="A blind run, or a published chance row, to subtract from every run.",
        ),
    ] = None,
) -> None:
    """Compare runs with the first one, question by question.

    Differences per task and overall, with 95% intervals (paired bootstrap
    over videos) and p-values (paired permutation over videos, Holm's
    correction over the tasks). Runs on different questions are refused
    unless --shared is given.
    """
    from vicabench.cli.comparing import Request, compare

    compare(
        Request(
            paths=tuple(paths),
            protocol=protocol,
            table=table,
            shared=shared,
            listed=fixed,
            published=tuple(published or ()),
            subtract=subtract,
        )
    )
