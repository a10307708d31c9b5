"""`vicabench score`: grade existing predictions; needs neither model nor data."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicabench.cli.options import FormatOption, ProtocolsOption, PublishedOption
from vicabench.errors import ConfigError

if TYPE_CHECKING:
    from vicabench.harnesses.protocols import Protocol
    from vicabench.results.run import Run
    from vicabench.types import Scores

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
    no_intervals: Annotated[
        bool, typer.Option("--no-intervals", help="Leave intervals out of a fitted table.")
    ] = False,
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
    left_out: Annotated[
        Path | None,
        typer.Option(
            "--without",
            metavar="FILE",
            help="Score also without the questions of a file: ids, or a list of `audit --labels`.",
        ),
    ] = None,
    rebalanced: Annotated[
        bool,
        typer.Option("--rebalanced", help="Score also with answers and objects weighted evenly."),
    ] = False,
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
    scene_name). Several protocols are shown side by side, with the answers
    that they read differently. Exit code 2: a run cannot be read.
    """
    from vicabench.cli.output import check_format, print_table
    from vicabench.harnesses.protocols import find_protocols
    from vicabench.reporting.files import write_file, write_spreadsheet
    from vicabench.reporting.paper import paper_table
    from vicabench.reporting.scores import score_records, table_json
    from vicabench.results.alike import published_beside
    from vicabench.results.below import expanded
    from vicabench.results.disagreement import disagreement
    from vicabench.results.readable import load_readable
    from vicabench.screen import echo

    check_format(table)
    _check_paper(table, width, intervals=not no_intervals)
    _check_files({"--json": json_file, "--grades": grades_file, "--out": out})
    _check_answerable(answerable, answerable_at)
    rules = find_protocols(protocol)
    readable, problems = load_readable(paths := expanded(paths))
    runs = _with_parts(readable, answerable, answerable_at, left_out)
    others = published_beside(published, runs)
    rows = [row for run in runs for rule in rules for row in _rows(run, rule, rebalanced)]
    between = [disagreement(run, rules) for run in runs if len(rules) > 1 and not run.incomplete]
    if json_file:
        write_file(json_file, table_json(rows, others, between) + "\n", keep=paths)
    if out:
        write_spreadsheet(out, *score_records(rows, others, between), keep=paths)
    if grades_file:
        _write_grades(grades_file, runs, rules, paths)
    if width:
        echo(paper_table(rows, others, width=width, intervals=not no_intervals))
    else:
        print_table(rows, name=table, published=others, between=between)
    _end(problems)


def _check_answerable(file: Path | None, frames: int | None) -> None:
    if frames is not None and file is None:
        raise ConfigError("--answerable-at needs the file of --answerable: add it.")


def _end(problems: Sequence[str]) -> None:
    """Say which runs could not be read, and exit with code 2 if there are any."""
    from vicabench.errors import counted
    from vicabench.screen import say

    for problem in problems:
        say(problem)
    if problems:
        say(f"Left out, for it cannot be read: {counted(len(problems), 'run')} (exit code 2).")
        sys.exit(2)


def _write_grades(
    file: Path, runs: Sequence[Run], rules: Sequence[Protocol], keep: Sequence[Path]
) -> None:
    """Write a row per question, run and protocol, as a spreadsheet or as JSON Lines."""
    from vicabench.reporting.files import SPREADSHEETS, write_file, write_spreadsheet
    from vicabench.results.frames import RUN_COLUMNS

    if file.suffix.lower() in SPREADSHEETS:
        graded = [row for run in runs for rule in rules for row in _graded(run, rule)]
        write_spreadsheet(file, ("model", *RUN_COLUMNS), graded, keep=keep)
    else:
        lines = "".join(grades_jsonl(run, rule) for run in runs for rule in rules)
        write_file(file, lines, keep=keep)


def _with_parts(
    runs: list[Run], file: Path | None, frames: int | None, left_out: Path | None
) -> list[Run]:
    """The runs, each followed by its parts: what frames can answer, and what a file leaves."""
    parts: list[Callable[[Run], Run]] = []
    if file is not None:
        from vicabench.front.answerable import answerable

        parts.append(partial(answerable, file=file, frames=frames))
    if left_out is not None:
        from vicabench.front.without import without

        parts.append(partial(without, file=left_out))
    return [each for run in runs for each in (run, *(part(run) for part in parts))]


def _rows(run: Run, rule: Protocol, rebalanced: bool) -> list[Scores]:
    """The scores of a run, followed by the rebalanced ones if they are wanted."""
    if not rebalanced:
        return [run.scores(rule)]
    from vicabench.front.score import evenly_weighted

    return [run.scores(rule), evenly_weighted(run, rule)]


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
            from vicabench.reporting.files import check_spreadsheet

            check_spreadsheet(path)


def _graded(run: Run, protocol: Protocol) -> list[dict[str, Any]]:
    """The rows of `Run.frame()`, with the model."""
    from vicabench.results.frames import run_rows

    graded = run_rows(run.predictions, run.reply_grades(protocol))
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
    """One JSON line per reply: model, id, protocol, answer read (or null), score, outcome.

    With several replies a question, also which of them (`repeat`).
    """
    return "".join(
        json.dumps(
            {
                "model": run.name,
                "id": g.id,
                **({"repeat": g.repeat} if run.repeats > 1 else {}),
                "protocol": g.protocol,
                "read": g.read,
                "score": g.score,
                "outcome": g.outcome,
            }
        )
        + "\n"
        for g in run.reply_grades(protocol)
    )
