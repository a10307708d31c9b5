"""`vicabench compare`: paired differences of runs per task, with their significance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from vicabench.cli.options import FormatOption, ProtocolOption
from vicabench.cli.output import TERMINAL, check_format
from vicabench.errors import ConfigError
from vicabench.front.compare import Compared, check_margin, compare_published, paired_runs
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.reference import Published, find_published
from vicabench.reporting.changes import Side, by_id, change_sheets
from vicabench.reporting.comparison import (
    CSV_COLUMNS,
    AnyComparison,
    comparison_csv,
    comparison_json,
    comparison_records,
    paired_sheet,
    subtracted_sheet,
    unpaired_sheet,
)
from vicabench.reporting.files import check_spreadsheet, write_spreadsheet
from vicabench.reporting.tables import SHEET_FORMATS, Sheet, show_sheets
from vicabench.results.below import expanded
from vicabench.results.run import Run, load_runs
from vicabench.scoring.compare import Comparison
from vicabench.screen import console, echo


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, folders of runs or predictions files; the first is A.",
            metavar="RUN...",
        ),
    ],
    *,
    protocol: ProtocolOption = "official",
    table: FormatOption = "terminal",
    shared: Annotated[
        bool, typer.Option("--shared", help="Compare only the questions that both were asked.")
    ] = False,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS", help="Also test that the runs differ by less than this.", min=0
        ),
    ] = None,
    fixed: Annotated[
        int,
        typer.Option(
            min=0,
            help="List up to so many questions that B fixed and that it broke, spread over the "
            "tasks, with both replies.",
        ),
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
    out: Annotated[
        Path | None,
        typer.Option(help="Write the differences to this .csv or .xlsx file, too."),
    ] = None,
) -> None:
    """Compare runs with the first one, question by question.

    Differences per task and overall, with 95% intervals (paired bootstrap
    over videos) and p-values (paired permutation over videos, Holm's
    correction over the tasks). Runs on different questions are refused
    unless --shared is given.
    """
    compare(
        Request(
            paths=tuple(expanded(paths)),
            protocol=protocol,
            table=table,
            shared=shared,
            margin=margin,
            listed=fixed,
            published=tuple(published or ()),
            subtract=subtract,
            out=out,
        )
    )


WIDE = 100
"""Terminal width in columns from which a comparison fits with one header line."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of the command."""

    paths: tuple[Path, ...]
    protocol: str
    table: str
    shared: bool
    margin: float | None
    listed: int
    published: tuple[str, ...]
    subtract: str | None
    out: Path | None


def compare(request: Request) -> None:
    """Compare the runs and print the tables; UserError for runs that cannot be compared."""
    _check(request)
    if request.out:
        check_spreadsheet(request.out)
    rule = find_protocol(request.protocol)
    rows = [find_published(name) for name in request.published]
    base, chance = _to_subtract(request.subtract)
    runs = load_runs([*request.paths, *base])
    blind = [runs.pop() for _ in base]
    paired = [paired_runs(runs[0], run, rule, request.shared, request.margin) for run in runs[1:]]
    unpaired = [
        compare_published(run, row, protocol=request.protocol) for row in rows for run in runs
    ]
    gains = [paired_runs(one, run, rule, request.shared).result for one in blind for run in runs]
    gaps = [
        compare_published(run, row, protocol=request.protocol) for row in chance for run in runs
    ]
    if request.out:
        every: list[AnyComparison] = [*(pair.result for pair in paired), *unpaired, *gains, *gaps]
        records = comparison_records(every)
        write_spreadsheet(request.out, CSV_COLUMNS, records, keep=request.paths)
    _print(request, rule, paired, unpaired, [*gains, *gaps])


def _is_run(name: str | None) -> bool:
    return name is not None and Path(name).exists()


def _to_subtract(name: str | None) -> tuple[list[Path], list[Published]]:
    """The run at this path or the published row of this name, at most one of the two."""
    if name is None:
        return [], []
    if _is_run(name):
        return [Path(name)], []
    try:
        return [], [find_published(name)]
    except ConfigError as error:
        raise ConfigError(f"--subtract {name}: this run does not exist. {error}") from None


def _check(request: Request) -> None:
    check_format(request.table)
    if len(request.paths) < 2 and not request.published and request.subtract is None:
        raise ConfigError(
            "Only one run is given. Name a second run to compare it with, a published row "
            "with --published NAME, or a blind run with --subtract RUN."
        )
    if request.listed and len(request.paths) < 2:
        raise ConfigError(
            "--fixed lists the questions that a second run fixed and broke: name two runs."
        )
    if request.listed and request.table == "csv":
        raise ConfigError(
            "--fixed lists questions, which the CSV of differences cannot hold. Use --format json, "
            "which has all their ids, or another format."
        )
    if request.listed and request.table == "json":
        raise ConfigError(
            "--format json already lists the ids of all fixed questions: leave out --fixed."
        )
    check_margin(request.margin)
    if request.margin is not None and len(request.paths) < 2:
        raise ConfigError("--margin tests two runs against each other: name a second run.")
    if request.shared and len(request.paths) < 2 and not _is_run(request.subtract):
        raise ConfigError("--shared needs a second run: name one.")


def _print(
    request: Request,
    rule: Protocol,
    paired: Sequence[Compared],
    unpaired: Sequence[AnyComparison],
    subtracted: Sequence[AnyComparison],
) -> None:
    comparisons = [*(compared.result for compared in paired), *unpaired]
    if request.table == "csv":
        text = comparison_csv([*comparisons, *subtracted])
    elif request.table == "json":
        text = comparison_json(comparisons, subtracted)
    else:
        narrow = request.table == TERMINAL and console().width < WIDE
        sheets = [*_sheets(comparisons, subtracted, narrow)]
        sheets += _listed(paired, rule, request.listed)
        if request.table == TERMINAL:
            show_sheets(console(), sheets)
            return
        text = SHEET_FORMATS[request.table](sheets)
    echo(text)


def _sheets(
    comparisons: Sequence[AnyComparison], subtracted: Sequence[AnyComparison], narrow: bool
) -> Iterator[Sheet]:
    for comparison in comparisons:
        if isinstance(comparison, Comparison):
            yield paired_sheet(comparison, narrow=narrow)
        else:
            yield unpaired_sheet(comparison)
    if subtracted:
        yield subtracted_sheet(subtracted)


def _listed(paired: Sequence[Compared], rule: Protocol, most: int) -> Iterator[Sheet]:
    for pair in paired if most else ():
        questions = {p.question.id: p.question for p in pair.b.predictions}
        questions |= {p.question.id: p.question for p in pair.a.predictions}
        a, b = (_side(run, rule) for run in (pair.a, pair.b))
        yield from change_sheets(pair.result, questions, a, b, most=most)


def _side(run: Run, rule: Protocol) -> Side:
    replies = {p.question.id: p.response for p in run.predictions}
    return Side(grades=by_id(run.grades(rule)), replies=replies)
