"""The table as notebooks show it: HTML in which every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from vicabench.reporting.cells import (
    NONE,
    columns_of,
    estimate_of,
    labels_of,
    mean_text,
    notes_on,
    range_text,
)
from vicabench.reporting.sheets import Sheet
from vicabench.text import printable
from vicabench.types import Scores


def table_html(rows: Sequence[Scores]) -> str:
    """Runs down and tasks across, intervals and numbers of questions under the means."""
    columns = columns_of(rows)
    head = "".join(f"<th style='text-align:right'>{_text(title)}</th>" for _, title in columns)
    body = "".join(
        f"<tr><td style='text-align:left'>{_text(label)}</td>"
        + "".join(_cell(row, column) for column, _ in columns)
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


def _cell(row: Scores, column: str) -> str:
    found = estimate_of(row, column)
    if found is None:
        return f"<td>{NONE}</td>"
    below = f"<br><small>{_text(range_text(found))}<br>n = {found.count:,}</small>"
    return f"<td style='text-align:right'>{_text(mean_text(found))}{below}</td>"


def _text(text: str) -> str:
    return escape(printable(text))
