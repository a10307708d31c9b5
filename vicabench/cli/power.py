"""`vicabench power`: the differences that a benchmark can show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.cli.options import DataOption, FormatOption, ProtocolOption
from vicabench.cli.output import check_format, print_sheets
from vicabench.errors import ConfigError, csv_text


def command(
    a: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A pilot run.", show_default=False)
    ] = None,
    b: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="A second one, on the same questions."),
    ] = None,
    *,
    published: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A published row of VSI-Bench in place of a pilot run."),
    ] = None,
    data: DataOption = None,
    difference: Annotated[
        float | None,
        typer.Option(metavar="POINTS", help="Say how many videos this difference needs."),
    ] = None,
    power: Annotated[float, typer.Option(help="The chance to show what is there.")] = 0.8,
    level: Annotated[float, typer.Option(help="The level of the two-sided tests.")] = 0.05,
    correlation: Annotated[
        float | None,
        typer.Option(
            help="With one run: how the scores of two models correlate over videos.",
            show_default="0.5",
        ),
    ] = None,
    simulations: Annotated[
        int, typer.Option(min=0, max=100_000, help="Simulated comparisons; 0 for none.")
    ] = 400,
    protocol: ProtocolOption = "official",
    table: FormatOption = "terminal",
) -> None:
    """Show the smallest differences that a benchmark can show.

    From the videos and questions of one or two pilot runs, per task and
    overall: for two models on the same questions (paired) and on two samples
    of videos (unpaired), by formula, and simulated with the tests of `compare`.
    """
    check_format(table)
    if data and not published:
        raise ConfigError("--data is for --published: a run says which questions it was asked.")
    asked = vb.benchmark(data=data, videos_needed=False) if data else "vsi-bench"
    found = vb.power(
        a,
        b,
        published=published,
        asked=asked,
        protocol=protocol,
        difference=difference,
        power=power,
        level=level,
        correlation=correlation,
        simulations=simulations,
    )
    records = found.records
    print_sheets(
        [found.sheet],
        name=table,
        csv=lambda: csv_text(list(records[0]), records),
        json=lambda: json.dumps(records, indent=2),
    )
