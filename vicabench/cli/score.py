"""`vicabench score`: grade existing predictions; needs neither model nor data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vicabench.cli.options import FormatOption, ProtocolsOption, PublishedOption
from vicabench.cli.output import check_format, print_table
from vicabench.errors import ConfigError
from vicabench.harnesses.protocols import Protocol, find_protocols
from vicabench.reference import published_rows
from vicabench.reporting.scores import table_json
from vicabench.reporting.writing import write_file
from vicabench.results.alike import check_published
from vicabench.results.below import expanded
from vicabench.results.disagreement import disagreement
from vicabench.results.run import Run, load_runs


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, folders of runs or predictions files (JSON Lines).",
            metavar="PATH...",
        ),
    ],
    protocol: ProtocolsOption = "official",
    table: FormatOption = "terminal",
    published: PublishedOption = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write all scores and intervals to this JSON file."),
    ] = None,
    grades_file: Annotated[
        Path | None,
        typer.Option("--grades", help="Write one JSON line per question to this file."),
    ] = None,
) -> None:
    """Grade run folders or predictions files and print the scores.

    A predictions file has one JSON object per line with at least id,
    question_type, ground_truth, response, and video (or dataset and
    scene_name). Several comma-separated protocols are shown side by side,
    with the answers that they read differently.
    """
    check_format(table)
    if json_file and grades_file and json_file.resolve() == grades_file.resolve():
        raise ConfigError(f"--json and --grades are both {json_file}. Name two files.")
    rules = find_protocols(protocol)
    paths = expanded(paths)
    runs = load_runs(paths)
    for run in runs:
        check_published(published, run.benchmark, run.questions)
    rows = [run.scores(rule) for run in runs for rule in rules]
    between = (
        [disagreement(run, rules) for run in runs if not run.incomplete] if len(rules) > 1 else []
    )
    if json_file:
        others = published_rows() if published else ()
        write_file(json_file, table_json(rows, others, between) + "\n", keep=paths)
    if grades_file:
        lines = "".join(grades_jsonl(run, rule) for run in runs for rule in rules)
        write_file(grades_file, lines, keep=paths)
    print_table(rows, name=table, published=published, between=between)


def grades_jsonl(run: Run, protocol: Protocol) -> str:
    """One JSON line per question: model, id, protocol, answer read (or null), score, outcome."""
    return "".join(
        json.dumps(
            {
                "model": run.name,
                "id": g.id,
                "protocol": g.protocol,
                "read": g.read,
                "score": g.score,
                "outcome": g.outcome,
            }
        )
        + "\n"
        for g in run.grades(protocol)
    )
