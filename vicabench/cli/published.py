"""`vicabench published`: what has been published about VSI-Bench, with its sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicabench.cli.options import FormatOption
from vicabench.errors import ConfigError

if TYPE_CHECKING:
    from vicabench.reference import Published
    from vicabench.reporting.tables import Sheet

Records = list[dict[str, Any]]


def command(
    *,
    task: Annotated[
        list[str] | None, typer.Option(help="Show this task, best first; may be repeated.")
    ] = None,
    model: Annotated[str, typer.Option(help="Words in the model's name or group.")] = "",
    source: Annotated[str, typer.Option(help="Words in the source.")] = "",
    thinking: Annotated[
        bool, typer.Option("--thinking", help="The checkpoints of ViCA-7B-Thinking instead.")
    ] = False,
    curves: Annotated[
        bool, typer.Option("--curves", help="The scaling curves of both reports instead.")
    ] = False,
    zoo: Annotated[bool, typer.Option("--zoo", help="The published checkpoints instead.")] = False,
    table: FormatOption = "terminal",
) -> None:
    """Show published scores, curves and checkpoints, each with its source."""
    from vicabench.cli.output import check_format

    check_format(table)
    wanted = [name for name, on in (("thinking", thinking), ("curves", curves), ("zoo", zoo)) if on]
    if len(wanted) > 1:
        raise ConfigError(f"--{' and --'.join(wanted)} are different tables: ask for one.")
    if wanted and task:
        raise ConfigError(f"--task chooses columns of the scores; --{wanted[0]} has none of them.")
    if zoo and source:
        raise ConfigError("--zoo is one list, so --source has nothing to choose. Use --model.")
    others = {"thinking": _thinking, "curves": _curves, "zoo": _zoo}
    if wanted:
        sheet, records = others[wanted[0]](model, source)
    else:
        sheet, records = _scores(task or [], model, source)
    if not records:
        raise ConfigError("Nothing published has all these words. `vicabench published` has all.")
    _print(sheet, records, table)


def _scores(tasks: Sequence[str], model: str, source: str) -> tuple[Sheet, Records]:
    from vicabench.reference import matching, published_rows
    from vicabench.reporting.published import score_records, scores_sheet

    rows = [
        row
        for row in published_rows()
        if matching(model, f"{row.label} {row.group}") and matching(source, row.source)
    ]
    if tasks:
        rows = _best_first(rows, tasks)
    return scores_sheet(rows, tasks), score_records(rows)


def _best_first(rows: Sequence[Published], tasks: Sequence[str]) -> list[Published]:
    """The rows that print one of these tasks, by the first of them."""
    from vicabench.types import TASKS

    names = [task.name for task in TASKS]
    for name in tasks:
        if name not in names:
            raise ConfigError(f"There is no task '{name}'. Tasks are {', '.join(names)}.")
    kept = [row for row in rows if any(name in row.tasks for name in tasks)]
    return sorted(kept, key=lambda row: -row.tasks.get(tasks[0], -1.0))


def _thinking(model: str, source: str) -> tuple[Sheet, Records]:
    from vicabench.reference import matching, thinking_curve
    from vicabench.reporting.published import thinking_records, thinking_sheet

    points = [
        point
        for point in thinking_curve()
        if matching(model, point.model) and matching(source, point.source)
    ]
    return thinking_sheet(points), thinking_records(points)


def _curves(model: str, source: str) -> tuple[Sheet, Records]:
    from vicabench.reference import curves, matching
    from vicabench.reporting.published import curve_records, curves_sheet

    found = [
        curve
        for curve in curves()
        if matching(model, curve.series)
        and any(matching(source, point.source) for point in curve.points)
    ]
    return curves_sheet(found), curve_records(found)


def _zoo(model: str, _source: str) -> tuple[Sheet, Records]:
    from vicabench.reference import matching, model_zoo
    from vicabench.reporting.published import zoo_records, zoo_sheet

    found = [one for one in model_zoo() if matching(model, f"{one.repo} {one.family} {one.series}")]
    return zoo_sheet(found), zoo_records(found)


def _print(sheet: Sheet, records: Records, table: str) -> None:
    from vicabench.cli.output import TERMINAL
    from vicabench.reporting.published import records_csv, records_json
    from vicabench.reporting.tables import SHEET_FORMATS, show_sheets
    from vicabench.screen import console, echo

    if table == TERMINAL:
        show_sheets(console(), [sheet])
        return
    machines: dict[str, Callable[[Records], str]] = {"csv": records_csv, "json": records_json}
    typed = machines[table](records) if table in machines else SHEET_FORMATS[table]([sheet])
    echo(typed)
