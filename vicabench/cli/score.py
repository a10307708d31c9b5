"""`vicabench score`: grade predictions that exist; needs neither model nor data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vicabench.cli.options import FormatOption, ProtocolOption, PublishedOption


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Run folders or predictions files (JSON Lines).", metavar="PATH..."),
    ],
    protocol: ProtocolOption = "official",
    table: FormatOption = "terminal",
    published: PublishedOption = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all estimates to this file.")
    ] = None,
    grades_file: Annotated[
        Path | None,
        typer.Option("--grades", help="Write one JSON line per question to this file."),
    ] = None,
) -> None:
    """Grade run folders or predictions files and print the table.

    A predictions file has one JSON object a line with at least id, question_type, ground_truth,
    response, and video (or dataset and scene_name).
    """
    from vicabench.cli.output import check_format, check_published, print_table, write_file
    from vicabench.cli.scoring import grades_jsonl
    from vicabench.grading.protocols import find_protocol
    from vicabench.reporting.files import table_json
    from vicabench.results import load_runs

    check_format(table)
    rule = find_protocol(protocol)
    runs = load_runs(paths)
    for run in runs:
        check_published(published, run.benchmark)
    rows = [run.scores(rule) for run in runs]
    if json_file:
        write_file(json_file, table_json(rows, ()) + "\n", keep=paths)
    if grades_file:
        write_file(grades_file, "".join(grades_jsonl(run, rule) for run in runs), keep=paths)
    print_table(rows, name=table, published=published)
