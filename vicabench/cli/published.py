"""`vicabench published`: published results on VSI-Bench, with their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.cli.options import FormatOption
from vicabench.cli.output import TERMINAL, check_format
from vicabench.errors import ConfigError
from vicabench.front.published import SCORES
from vicabench.reporting.files import write_spreadsheet
from vicabench.reporting.tables import show_sheets
from vicabench.screen import console, echo


def command(
    *,
    task: Annotated[
        list[str] | None, typer.Option(help="Show this task, best first. Repeat for several.")
    ] = None,
    model: Annotated[str, typer.Option(help="Words to find in the model's name or group.")] = "",
    source: Annotated[str, typer.Option(help="Words to find in the source.")] = "",
    thinking: Annotated[
        bool, typer.Option("--thinking", help="Show the checkpoints of ViCA-7B-Thinking instead.")
    ] = False,
    curves: Annotated[
        bool, typer.Option("--curves", help="Show the scaling curves of both reports instead.")
    ] = False,
    zoo: Annotated[
        bool, typer.Option("--zoo", help="Show the published checkpoints instead.")
    ] = False,
    table: FormatOption = "terminal",
    out: Annotated[
        Path | None, typer.Option(help="Write the rows to this .csv or .xlsx file, too.")
    ] = None,
) -> None:
    """Show published scores, curves and checkpoints, each with its source."""
    check_format(table)
    wanted = [name for name, on in (("thinking", thinking), ("curves", curves), ("zoo", zoo)) if on]
    if len(wanted) > 1:
        raise ConfigError(f"--{' and --'.join(wanted)} are different tables: ask for one.")
    kind = wanted[0] if wanted else SCORES
    result = vb.published(kind, tasks=task or (), model=model, source=source)
    if out:
        write_spreadsheet(out, list(result.records[0]), result.records)
    if table == TERMINAL:
        show_sheets(console(), [result.sheet])
    else:
        echo(result.table(table))
