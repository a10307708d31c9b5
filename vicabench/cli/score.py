"""`vicabench score`: grade existing predictions; needs neither model nor data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicabench.cli.options import FormatOption, ProtocolsOption, PublishedOption
from vicabench.errors import ConfigError

if TYPE_CHECKING:
    from vicabench.harnesses.protocols import Protocol
    from vicabench.results.run import Run

LATEX = "latex"


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
    out: Annotated[
        Path | None,
        typer.Option(help="Write the table to this .csv or .xlsx file, too."),
    ] = None,
    width: Annotated[
        str | None,
        typer.Option(help="Fit the LaTeX table to the column or the text of a paper."),
    ] = None,
    intervals: Annotated[
        bool,
        typer.Option("--intervals/--no-intervals", help="Intervals in a fitted LaTeX table."),
    ] = True,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write all scores and intervals to this JSON file."),
    ] = None,
    answerable: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Score also the questions alone that the frames can answer, by a JSON Lines file.",
        ),
    ] = None,
    answerable_at: Annotated[
        int | None,
        typer.Option(min=1, help="Number of frames.", show_default="that of the run"),
    ] = None,
    grades_file: Annotated[
        Path | None,
        typer.Option(
            "--grades", help="Write a row per question to this .jsonl, .csv or .xlsx file."
        ),
    ] = None,
) -> None:
    """Grade run folders or predictions files and print the scores.

    A predictions file has one JSON object per line with at least id,
    question_type, ground_truth, response, and video (or dataset and
    scene_name). Several comma-separated protocols are shown side by side,
    with the answers that they read differently.
    """
    from vicabench.cli.output import check_format, print_table
    from vicabench.harnesses.protocols import find_protocols
    from vicabench.reference import published_rows
    from vicabench.reporting.paper import paper_table
    from vicabench.reporting.scores import score_records, table_json
    from vicabench.reporting.workbook import SPREADSHEETS, write_spreadsheet
    from vicabench.reporting.writing import write_file
    from vicabench.results.alike import check_published
    from vicabench.results.below import expanded
    from vicabench.results.disagreement import disagreement
    from vicabench.results.frames import RUN_COLUMNS
    from vicabench.screen import echo

    check_format(table)
    _check_paper(table, width, intervals=intervals)
    _check_files({"--json": json_file, "--grades": grades_file, "--out": out})
    rules = find_protocols(protocol)
    paths = expanded(paths)
    runs = _loaded(paths, answerable, answerable_at)
    for run in runs:
        check_published(published, run.benchmark, run.questions)
    rows = [run.scores(rule) for run in runs for rule in rules]
    between = (
        [disagreement(run, rules) for run in runs if not run.incomplete] if len(rules) > 1 else []
    )
    if json_file:
        others = published_rows() if published else ()
        write_file(json_file, table_json(rows, others, between) + "\n", keep=paths)
    if out:
        others = published_rows() if published else ()
        write_spreadsheet(out, *score_records(rows, others, between), keep=paths)
    if grades_file and grades_file.suffix.lower() in SPREADSHEETS:
        graded = [row for run in runs for rule in rules for row in _graded(run, rule)]
        write_spreadsheet(grades_file, ("model", *RUN_COLUMNS), graded, keep=paths)
    elif grades_file:
        lines = "".join(grades_jsonl(run, rule) for run in runs for rule in rules)
        write_file(grades_file, lines, keep=paths)
    if width:
        others = published_rows() if published else ()
        echo(paper_table(rows, others, width=width, intervals=intervals))
        return
    print_table(rows, name=table, published=published, between=between)


def _loaded(paths: list[Path], answerable: Path | None, frames: int | None) -> list[Run]:
    """The runs, each followed by its part that frames can answer if a file says which that is."""
    from vicabench.results.run import load_runs

    if answerable is None:
        if frames is not None:
            raise ConfigError("--answerable-at needs the file of --answerable: add it.")
        return load_runs(paths)
    from vicabench.front.answerable import answerable as part

    runs = load_runs(paths)
    return [each for run in runs for each in (run, part(run, answerable, frames=frames))]


def _check_files(named: dict[str, Path | None]) -> None:
    """Check that the files to write are different ones, and that --out is a spreadsheet."""
    places: dict[Path, str] = {}
    for option, path in named.items():
        if path is None:
            continue
        first = places.setdefault(path.resolve(), option)
        if first != option:
            raise ConfigError(f"{first} and {option} are both {path}. Name two files.")
        if option == "--out":
            from vicabench.reporting.workbook import check_spreadsheet

            check_spreadsheet(path)


def _graded(run: Run, protocol: Protocol) -> list[dict[str, Any]]:
    """The rows of `Run.frame()`, with the model."""
    from vicabench.results.frames import run_rows

    graded = run_rows(run.predictions, run.grades(protocol))
    return [{"model": run.name, **row} for row in graded]


def _check_paper(table: str, width: str | None, *, intervals: bool) -> None:
    from vicabench.reporting.paper import WIDTHS

    if width is not None and width not in WIDTHS:
        raise ConfigError(f"--width {width}: give {' or '.join(WIDTHS)}.")
    if width is not None and table != LATEX:
        raise ConfigError("--width fits LaTeX tables to a paper: add --format latex.")
    if not intervals and width is None:
        raise ConfigError("--no-intervals is for tables fitted to a paper: add --width.")


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
