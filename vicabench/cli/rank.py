"""`vicabench rank`: the ranks of several models, with intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.cli.options import FormatOption, ProtocolOption
from vicabench.cli.output import check_format, print_sheets
from vicabench.errors import csv_text
from vicabench.results.below import expanded


def command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folders, folders of runs or predictions files.",
            metavar="[RUN...]",
            show_default=False,
        ),
    ] = None,
    *,
    published: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A published row of VSI-Bench to rank too, or `all`."),
    ] = None,
    by: Annotated[str, typer.Option(help="`overall`, `micro` or a task.")] = "overall",
    protocol: ProtocolOption = "official",
    shared: Annotated[
        bool, typer.Option("--shared", help="Rank on the questions that all runs were asked.")
    ] = False,
    table: FormatOption = "terminal",
) -> None:
    """Rank models, with intervals that hold for all ranks together.

    Runs are compared in pairs, question by question (permutation over
    videos), with Holm's correction over all pairs. Models that cannot be told
    apart have overlapping intervals.
    """
    check_format(table)
    found = vb.rank(
        expanded(paths) if paths else (),
        published=published or (),
        by=by,
        protocol=protocol,
        shared=shared,
    )
    records = found.records
    print_sheets(
        [found.sheet],
        name=table,
        csv=lambda: csv_text(list(records[0]), records),
        json=lambda: json.dumps(records, indent=2),
    )
