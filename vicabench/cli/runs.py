"""`vicabench runs`: the runs below a folder, and the commands that continue them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.cli.options import FormatOption, ProtocolOption
from vicabench.cli.output import check_format, print_sheets
from vicabench.errors import csv_text
from vicabench.front.runs import COLUMNS


def command(
    folder: Annotated[
        Path, typer.Argument(help="The folder that holds the runs, at any depth.", metavar="DIR")
    ] = Path("runs"),
    *,
    protocol: ProtocolOption = "official",
    table: FormatOption = "terminal",
) -> None:
    """List the runs in a folder: done, failed, score, age, and how to continue each.

    An unfinished run has no score. A run folder that cannot be read is
    listed with the reason.
    """
    check_format(table)
    found = vb.runs(folder, protocol=protocol)
    print_sheets(
        [found.sheet()],
        name=table,
        csv=lambda: csv_text(COLUMNS, found.records()),
        json=lambda: json.dumps(found.records(), indent=2),
    )
