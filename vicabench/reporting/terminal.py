"""The table as people see it in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from vicabench.reference import Published
from vicabench.reporting.cells import (
    COLUMNS,
    NONE,
    OVERALL,
    columns_of,
    estimate_of,
    labels_of,
    mean_text,
    notes_on,
    printed_text,
    range_text,
    sizes,
)
from vicabench.types import Scores


def show(console: Console, rows: Sequence[Scores], published: Sequence[Published]) -> None:
    """Print the runs, and published rows under them, with the notes that belong to them.

    Methods down and tasks across as in the papers; the other way round where the console is too
    narrow for that.
    """
    table = _paper_layout(rows, published)
    unbounded = console.options.update(max_width=10_000)
    if Measurement.get(console, unbounded, table).maximum > console.width:
        console.print(_narrow_layout(rows))
        if published:
            console.print(_narrow_published(published))
    else:
        console.print(table)
    for note in notes_on(rows, published):
        console.print(Text(note, style="dim"))


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))


def _paper_layout(rows: Sequence[Scores], published: Sequence[Published]) -> Table:
    table = _table()
    table.add_column("", no_wrap=True)
    columns = columns_of(rows)
    for column, title in columns:
        style = "bold" if column == OVERALL else ""
        table.add_column(title, justify="right", style=style, no_wrap=True)
    for position, (label, row) in enumerate(zip(labels_of(rows, "\n"), rows, strict=True)):
        table.add_row(Text(label), *[_cell(row, column, "\n") for column, _ in columns])
        below = sizes(row, columns)
        if row is rows[-1] or sizes(rows[position + 1], columns) != below:
            for name, numbers in zip(("questions", "videos"), below, strict=True):
                table.add_row(_dim(name), *[_dim(number) for number in numbers])
    if published:
        table.add_section()
    for other in published:
        table.add_row(Text(other.label), *[printed_text(other, column) for column, _ in columns])
    return table


def _narrow_layout(rows: Sequence[Scores]) -> Table:
    table = _table()
    table.add_column("", no_wrap=True)
    columns = columns_of(rows)
    for label in labels_of(rows):
        table.add_column(Text(label), justify="right", overflow="fold")
        table.add_column(_dim("n"), justify="right", overflow="fold")
    for place, (column, title) in enumerate(columns):
        cells = []
        for row in rows:
            cells += [
                _cell(row, column, " "),
                _dim("/".join(part[place] for part in sizes(row, columns))),
            ]
        table.add_row(title, *cells)
    return table


def _narrow_published(published: Sequence[Published]) -> Table:
    """Means alone are short enough to stay in the papers' layout, under titles of two lines."""
    table = _table()
    table.add_column("published", overflow="fold")
    for _, title in COLUMNS:
        table.add_column(title.replace(" ", "\n"), justify="right", no_wrap=True)
    for other in published:
        table.add_row(Text(other.label), *[printed_text(other, column) for column, _ in COLUMNS])
    return table


def _cell(row: Scores, column: str, between: str) -> Text:
    estimate = estimate_of(row, column)
    if estimate is None:
        return _dim(NONE)
    interval = range_text(estimate)
    return Text(mean_text(estimate)).append(between + interval, style="not bold dim")


def _dim(text: str) -> Text:
    return Text(text, style="not bold dim")
