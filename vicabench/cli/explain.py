"""`vicabench explain`: why two runs of one model score differently."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vicabench.cli.completing import complete_protocol
from vicabench.cli.options import FormatOption
from vicabench.cli.usage import OUTPUT
from vicabench.errors import ConfigError


def command(
    a: Annotated[Path, typer.Argument(help="Run folder or predictions file A.", metavar="RUN_A")],
    b: Annotated[
        Path, typer.Argument(help="Run folder or predictions file B; may be A.", metavar="RUN_B")
    ],
    *,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="How both are read and aggregated, or A,B: one for each.",
            show_default="what each run records, else official",
            rich_help_panel=OUTPUT,
            autocompletion=complete_protocol,
        ),
    ] = None,
    table: FormatOption = "terminal",
    shared: Annotated[
        bool, typer.Option("--shared", help="Explain only the questions that both were asked.")
    ] = False,
    between: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN",
            help="A run with each part of its asking as in A or in B; repeat it for all "
            "combinations, which split the asking.",
        ),
    ] = None,
    run: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="VIDEOS", help="Ask those combinations now, about so many videos."
        ),
    ] = None,
    run_folders: Annotated[
        Path | None,
        typer.Option(help="The folder for the runs of --run.", show_default="runs/between"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the parts to this .csv or .xlsx file, too."),
    ] = None,
) -> None:
    """Split the difference of two runs into asking, reading and aggregating.

    The replies of both runs are read by both protocols, and scored and
    averaged as both do. The parts add up to the difference of the scores.
    Settings of the asking that differ are listed, with what has to be run
    to know the part of each.
    """
    import vicabench as vb
    from vicabench.cli.output import check_format, print_sheets
    from vicabench.reporting.explained import explained_csv, explained_json, explained_sheets
    from vicabench.reporting.files import check_spreadsheet

    check_format(table)
    if out:
        check_spreadsheet(out)
    if run_folders and run is None:
        raise ConfigError("--run-folders is the folder for the runs of --run: add it.")
    names = None if protocol is None else [name.strip() for name in protocol.split(",")]
    places = {"run_folders": run_folders} if run_folders else {}
    found = vb.explain(
        a, b, protocol=names, shared=shared, between=between or (), run=run, **places
    )
    if out:
        found.save(out)
    print_sheets(
        explained_sheets(found.result),
        name=table,
        csv=lambda: explained_csv(found.result),
        json=lambda: explained_json(found.result),
    )
