"""The table of scores: terminal, notebook, Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from rich.console import Console
from rich.text import Text
from tabulate import tabulate

from vicabench.errors import csv_text, printable
from vicabench.reference import Published
from vicabench.reporting.disagreement import latex_disagreement, markdown_disagreement
from vicabench.reporting.layout import Grid, print_grid, print_words
from vicabench.reporting.tables import (
    NONE,
    OVERALL,
    Columns,
    Sheet,
    by_rubric,
    cell_text,
    columns_of,
    estimate_of,
    guarded,
    known_to_latex,
    labels_of,
    markdown_text,
    mean_text,
    notes_on,
    one_line,
    printed_text,
    range_text,
    scored_columns,
    sizes,
    source_marks,
)
from vicabench.results.disagreement import Difference, Disagreement
from vicabench.scoring.stats import RESAMPLES, SEED, record_of
from vicabench.types import EMPTY, TRUNCATED, UNREADABLE, Estimate, Scores


def show(console: Console, rows: Sequence[Scores], published: Sequence[Published]) -> None:
    """Print the runs, published rows below them, and their notes.

    Methods down and tasks across as in the papers. Where the console is too narrow for that, tasks
    down and methods across; where it is too narrow for this too, some tasks below the others.
    """
    for place, table in enumerate(by_rubric(rows)):
        if place:
            console.print()
        _show_table(console, table, published)


def _show_table(console: Console, rows: Sequence[Scores], published: Sequence[Published]) -> None:
    grid = _paper_layout(rows, published)
    if grid.width > console.width and not published:
        turned = _turned_layout(rows)
        grid = turned if turned.width <= console.width else grid
    print_grid(console, grid)
    for note in notes_on(rows, published):
        print_words(console, note, "dim")


def _paper_layout(rows: Sequence[Scores], published: Sequence[Published]) -> Grid:
    columns, lines = columns_of(rows), list[tuple[Text, ...] | None]()
    for position, (label, row) in enumerate(zip(labels_of(rows, "\n"), rows, strict=True)):
        lines.append((Text(label), *(_cell(row, column, "\n") for column, _ in columns)))
        below = sizes(row, columns)
        if row is rows[-1] or sizes(rows[position + 1], columns) != below:
            for below_name, numbers in zip(("questions", "videos"), below, strict=True):
                lines.append((_dim(below_name), *map(_dim, numbers)))
    if published:
        lines += [None, (_dim("published"), *(Text("") for _ in columns))]
    for other, mark in zip(published, source_marks(published), strict=True):
        name = Text(other.label).append(f" {mark}", style="dim")
        lines.append((name, *(Text(printed_text(other, column)) for column, _ in columns)))
    return Grid(heads=(Text(""), *(_head(*column) for column in columns)), rows=tuple(lines))


def _head(column: str, title: str) -> Text:
    return Text(title, style="bold" if column == OVERALL else "")


def _turned_layout(rows: Sequence[Scores]) -> Grid:
    columns, heads, lines = columns_of(rows), [Text("")], []
    for label in labels_of(rows):
        heads += [Text(label), _dim("n")]
    for place, (column, title) in enumerate(columns):
        cells = [Text(title)]
        for row in rows:
            count = "/".join(part[place] for part in sizes(row, columns))
            cells += [_cell(row, column, " "), _dim(count)]
        lines.append(tuple(cells))
    return Grid(heads=tuple(heads), rows=tuple(lines))


def _cell(row: Scores, column: str, between: str) -> Text:
    estimate = estimate_of(row, column)
    if estimate is None:
        return _dim(NONE)
    interval = range_text(estimate)
    return Text(mean_text(estimate)).append(between + interval, style="not bold dim")


def _dim(text: str) -> Text:
    return Text(text, style="not bold dim")


Rows = Sequence[Scores]
MICRO = "micro"
NO_ANSWER = (UNREADABLE, EMPTY, TRUNCATED)
OF_REPEATS = ("replies", "standard_error", "standard_error_videos", "standard_error_replies")


def markdown(
    rows: Rows, published: Sequence[Published], between: Sequence[Disagreement] = ()
) -> str:
    """A table of cells like `63.0 [56.4–69.3]`, then the notes as a list.

    `between` tells how several protocols differ in each run, here as in every format.
    """
    parts = []
    for same in by_rubric(rows):
        cells = _cells(same, published, markdown_text)
        parts.append(tabulate(cells, _titles(same), tablefmt="github"))
        parts.append("\n".join(f"- {markdown_text(note)}" for note in notes_on(same, published)))
    return "\n\n".join([*parts, *(markdown_disagreement(d, markdown_text) for d in between)])


def latex(rows: Rows, published: Sequence[Published], between: Sequence[Disagreement] = ()) -> str:
    """A booktabs tabular with the notes as comments before it."""
    parts = []
    for same in by_rubric(rows):
        cells = _cells(same, published, known_to_latex)
        parts += [f"% {one_line(note)}" for note in notes_on(same, published)]
        parts.append(guarded(tabulate(cells, _titles(same), tablefmt="latex_booktabs")))
    return "\n".join([*parts, *map(latex_disagreement, between)])


def table_csv(
    rows: Rows, published: Sequence[Published], between: Sequence[Disagreement] = ()
) -> str:
    """One CSV row per run: mean, low, high, questions and videos of every column.

    A difference between protocols is a row too, its `source` being `difference`.
    """
    return csv_text(*score_records(rows, published, between)).rstrip("\n")


def score_records(
    rows: Rows, published: Sequence[Published], between: Sequence[Disagreement] = ()
) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns and rows of the CSV."""
    names = ["model", "protocol", "source"]
    parts = ("", "_low", "_high", "_questions", "_videos")
    columns = [c for same in by_rubric(rows) for c, _ in scored_columns(same)]
    if not columns:
        columns += [c for c, _ in scored_columns(())]
    names += [c + part for c in dict.fromkeys([*columns, MICRO]) for part in parts]
    names += ["unanswered", *NO_ANSWER, "read_differently"]
    names += OF_REPEATS if any(row.repeats for row in rows) else ()
    lines = [
        *map(_csv_row, rows),
        *(
            _csv_difference(disagreement, d)
            for disagreement in between
            for d in disagreement.differences
        ),
        *map(_csv_published, published),
    ]
    return names, lines


def table_json(
    rows: Rows, published: Sequence[Published], between: Sequence[Disagreement] = ()
) -> str:
    """Every estimate of every run as JSON; undefined intervals are null."""
    content = {
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "unit": "video", "level": 0.95},
        "runs": [_no_nan(record_of(row)) for row in rows],
        "published": [asdict(row) for row in published],
        "disagreements": [_no_nan(_disagreement(each)) for each in between],
    }
    return json.dumps(content, indent=2)


def _disagreement(disagreement: Disagreement) -> dict[str, Any]:
    record = asdict(disagreement)
    for each, difference in zip(record["differences"], disagreement.differences, strict=True):
        each["points"] = record_of(difference.points)
    return record


Format = Callable[[Rows, Sequence[Published], Sequence[Disagreement]], str]
FORMATS: dict[str, Format] = {
    "markdown": markdown,
    "latex": latex,
    "csv": table_csv,
    "json": table_json,
}


def _titles(rows: Rows) -> list[str]:
    return ["", *(title for _, title in columns_of(rows))]


def _cells(
    rows: Rows, published: Sequence[Published], escape: Callable[[str], str]
) -> list[list[str]]:
    lines, columns = [], columns_of(rows)
    for position, (label, row) in enumerate(zip(labels_of(rows), rows, strict=True)):
        lines.append([escape(label), *_estimates(row, columns)])
        below = sizes(row, columns)
        if row is rows[-1] or sizes(rows[position + 1], columns) != below:
            lines.append(["questions / videos", *map(" / ".join, zip(*below, strict=True))])
    for other, mark in zip(published, source_marks(published), strict=True):
        printed = [printed_text(other, column) for column, _ in columns]
        lines.append([escape(f"{other.label} (published {mark})"), *printed])
    return lines


def _estimates(row: Scores, columns: Columns) -> list[str]:
    estimates = [estimate_of(row, column) for column, _ in columns]
    return [NONE if e is None else cell_text(e) for e in estimates]


def _csv_difference(disagreement: Disagreement, difference: Difference) -> dict[str, Any]:
    row = difference.points
    record: dict[str, Any] = {
        "model": disagreement.model,
        "protocol": row.model,
        "source": "difference",
    }
    for column in (OVERALL, *row.tasks):
        record |= _csv_estimate(column, estimate_of(row, column) or row.overall)
    read = sum(difference.read.values())
    return record | _csv_estimate(MICRO, row.micro) | {"read_differently": read}


def _csv_row(row: Scores) -> dict[str, Any]:
    record: dict[str, Any] = {"model": row.model, "protocol": row.protocol, "source": "this run"}
    for column, _ in scored_columns([row]):
        estimate = estimate_of(row, column)
        if estimate is not None:
            record |= _csv_estimate(column, estimate)
    counts = {name: row.outcomes[name] for name in NO_ANSWER}
    if row.repeats:
        values = [getattr(row.repeats, name) for name in OF_REPEATS]
        record |= dict(zip(OF_REPEATS, map(_number, values), strict=True))
    return record | _csv_estimate(MICRO, row.micro) | {"unanswered": row.overall.failed} | counts


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}" if isinstance(value, float) else str(value)


def _csv_estimate(column: str, estimate: Estimate) -> dict[str, Any]:
    values = {"": estimate.mean, "_low": estimate.low, "_high": estimate.high}
    return {
        **{column + k: "" if math.isnan(v) else f"{v:.4f}" for k, v in values.items()},
        column + "_questions": estimate.count,
        column + "_videos": estimate.clusters,
    }


def _csv_published(row: Published) -> dict[str, Any]:
    means = {OVERALL: row.overall, **row.tasks}
    return {"model": row.label, "protocol": "published", "source": row.source, **means}


def _no_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _no_nan(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_no_nan(member) for member in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def table_html(rows: Sequence[Scores]) -> str:
    """Runs as rows and tasks as columns, intervals and numbers of questions under the means."""
    return "".join(map(_html_table, by_rubric(rows)))


def _html_table(rows: Sequence[Scores]) -> str:
    columns = columns_of(rows)
    head = "".join(f"<th style='text-align:right'>{_text(title)}</th>" for _, title in columns)
    body = "".join(
        f"<tr><td style='text-align:left'>{_text(label)}</td>"
        + "".join(_html_cell(row, column) for column, _ in columns)
        + "</tr>"
        for label, row in zip(labels_of(rows), rows, strict=True)
    )
    notes = "".join(f"<div><small>{_text(note)}</small></div>" for note in notes_on(rows, ()))
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"


def sheet_html(sheet: Sheet) -> str:
    """A sheet with its title and notes."""
    head = "".join(f"<th>{_text(column)}</th>" for column in sheet.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_lines(cell)}</td>" for cell in row) + "</tr>" for row in sheet.rows
    )
    notes = "".join(f"<div><small>{_text(note)}</small></div>" for note in sheet.notes)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<strong>{_text(sheet.title)}</strong>{table}{notes}"


def _lines(text: str) -> str:
    return "<br>".join(_text(line) for line in text.split("\n"))


def _html_cell(row: Scores, column: str) -> str:
    estimate = estimate_of(row, column)
    if estimate is None:
        return f"<td>{NONE}</td>"
    below = f"<br><small>{_text(range_text(estimate))}<br>n = {estimate.count:,}</small>"
    return f"<td style='text-align:right'>{_text(mean_text(estimate))}{below}</td>"


def _text(text: str) -> str:
    return escape(printable(text))
