"""The table of scores in LaTeX, as wide as a column or the text of a paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tabulate import LATEX_ESCAPE_RULES

from vicabench.reference import Published
from vicabench.reporting.layout import PIECES
from vicabench.reporting.tables import (
    CHANGES,
    NONE,
    Columns,
    by_rubric,
    columns_of,
    estimate_of,
    known_to_latex,
    labels_of,
    notes_on,
    one_line,
    printed_text,
    range_text,
    source_marks,
)
from vicabench.types import Scores

WIDTHS = {"column": 219.0, "text": 455.0}
"""The narrowest usual widths in points: those of the ACL's style."""
FONT, TINY, SEPARATION = 8.0, 5.0, 3.0  # points, as set below
NARROW, WIDE = 11, 30  # characters of a name on a line
NO_BEST = ("human", "chance")  # groups of published rows that no model competes with


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A mean as printed, its interval (empty without one), and whether it is the best."""

    mean: str
    interval: str = ""
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run or a published row, with a cell per task."""

    name: str
    cells: tuple[Cell, ...]
    published: bool


def paper_table(
    rows: Sequence[Scores], published: Sequence[Published], *, width: str, intervals: bool
) -> str:
    """A booktabs table as wide as `\\columnwidth` or `\\textwidth`; the best of a task is bold.

    Runs are rows and tasks columns in a text's width. In a column's, tasks are rows and runs
    columns, in several tables if there are many. Notes are comments before it.
    """
    parts = by_rubric(rows)
    if len(parts) > 1:
        tables = [paper_table(part, (), width=width, intervals=intervals) for part in parts]
        return "\n\n\\medskip\n".join(tables)
    columns = [column for column in columns_of(rows) if column[0] != CHANGES]
    lines = _with_best(_rows(rows, published, columns, intervals=intervals))
    notes = [*notes_on(rows, published), "Bold: the best of each task. Needs booktabs."]
    if width == "text":
        tables = [_across(lines, [title for _, title in columns])]
    else:
        tables = list(_down(lines, [title for _, title in columns]))
    return "\n".join([*(f"% {one_line(note)}" for note in notes), "\n\n\\medskip\n".join(tables)])


def _rows(
    rows: Sequence[Scores], published: Sequence[Published], columns: Columns, *, intervals: bool
) -> Iterator[tuple[Row, bool]]:
    """Each row, and whether it competes for the best."""
    for label, row in zip(labels_of(rows), rows, strict=True):
        found = [estimate_of(row, column) for column, _ in columns]
        cells = (
            Cell(mean=f"{e.mean:.1f}", interval=range_text(e) if intervals else "")
            if e
            else Cell(mean=NONE)
            for e in found
        )
        yield Row(name=label, cells=tuple(cells), published=False), True
    for other, mark in zip(published, source_marks(published), strict=True):
        cells = (Cell(mean=printed_text(other, column)) for column, _ in columns)
        name = f"{other.label} {mark}"
        yield Row(name=name, cells=tuple(cells), published=True), other.group not in NO_BEST


def _with_best(rows: Iterator[tuple[Row, bool]]) -> list[Row]:
    listed = list(rows)
    competing = [row for row, competes in listed if competes]
    numbers = [[float(r.cells[i].mean) for r in competing if r.cells[i].mean not in ("", NONE)]
               for i in range(len(listed[0][0].cells))]  # fmt: skip
    best = [f"{max(of_task):.1f}" if len(of_task) > 1 else None for of_task in numbers]
    return [
        Row(
            name=row.name,
            published=row.published,
            cells=tuple(
                Cell(mean=c.mean, interval=c.interval, best=competes and c.mean == top)
                for c, top in zip(row.cells, best, strict=True)
            ),
        )
        for row, competes in listed
    ]


def _across(rows: Sequence[Row], titles: Sequence[str]) -> str:
    body = []
    for place, row in enumerate(rows):
        if row.published and place and not rows[place - 1].published:
            body.append("\\midrule")
        body.append(_line([_name(row.name, WIDE), *map(_mean, row.cells)]))
        if any(cell.interval for cell in row.cells):
            body.append(_line(["", *(_interval(cell) for cell in row.cells)]))
    stacked = (title.replace(" ", r" \\ ") for title in titles)
    heads = [f"\\shortstack[r]{{{title}}}" for title in stacked]
    return _tabular("\\textwidth", heads, body)


def _down(rows: Sequence[Row], titles: Sequence[str]) -> Iterator[str]:
    """Tables of as many runs as a column of the paper is wide."""
    room = WIDTHS["column"] - max(map(len, titles)) * FONT / 2
    start = 0
    while start < len(rows):
        end, left = start, room
        while end < len(rows) and (end == start or left >= _points(rows[end])):
            left -= _points(rows[end])
            end += 1
        part = rows[start:end]
        body = [
            _line([title, *(_both(row.cells[place]) for row in part)])
            for place, title in enumerate(titles)
        ]
        yield _tabular("\\columnwidth", [_name(row.name, NARROW) for row in part], body)
        start = end


def _points(row: Row) -> float:
    """The width of a run's column; a digit is half as wide as its font is high."""
    head = max(map(len, _pieces(row.name, NARROW))) * 0.56 * FONT  # capitals are wider
    cells = (
        len(cell.mean) * FONT * (0.575 if cell.best else 0.5)
        + (len(cell.interval) + 1) * TINY * 0.7 * bool(cell.interval)
        for cell in row.cells
    )
    return max(head, *cells) + 2 * SEPARATION


def _tabular(width: str, heads: Sequence[str], body: Sequence[str]) -> str:
    columns = f"@{{}}l@{{\\extracolsep{{\\fill}}}}{'r' * len(heads)}@{{}}"
    return "\n".join(
        [
            f"{{\\footnotesize\\setlength{{\\tabcolsep}}{{{SEPARATION:g}pt}}%",
            f"\\begin{{tabular*}}{{{width}}}{{{columns}}}",
            "\\toprule",
            _line(["", *heads]),
            "\\midrule",
            *body,
            "\\bottomrule",
            "\\end{tabular*}}",
        ]
    )


def _line(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _mean(cell: Cell) -> str:
    mean = "--" if cell.mean == NONE else cell.mean
    return f"\\textbf{{{mean}}}" if cell.best else mean


def _interval(cell: Cell) -> str:
    return f"{{\\tiny {cell.interval.replace('–', '--')}}}" if cell.interval else ""


def _both(cell: Cell) -> str:
    return f"{_mean(cell)} {_interval(cell)}".rstrip()


def _name(name: str, most: int) -> str:
    """A name in as many lines as it takes, escaped."""
    pieces = [_escaped(piece) for piece in _pieces(name, most)]
    side = "l" if most == WIDE else "r"
    joined = r" \\ ".join(pieces)
    return joined if len(pieces) == 1 else f"\\shortstack[{side}]{{{joined}}}"


def _pieces(name: str, most: int) -> list[str]:
    lines = [""]
    for part in PIECES.findall(one_line(name)):
        for piece in (part[i : i + most] for i in range(0, len(part), most)):
            if lines[-1] and len((lines[-1] + piece).rstrip()) > most:
                lines.append("")
            lines[-1] += piece
    return [line.strip() for line in lines if line.strip()] or [""]


def _escaped(text: str) -> str:
    """Escape a text, which must not begin as an argument of the line break before it."""
    brace = "{}" if text.startswith(("[", "*")) else ""
    return brace + "".join(LATEX_ESCAPE_RULES.get(c, c) for c in known_to_latex(text))
