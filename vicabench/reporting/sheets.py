"""A table of texts with its title and notes, for the terminal, Markdown and LaTeX.

The texts are raw: each format escapes them in its own way here, so that nothing a model is called
or replied can be taken for markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from vicabench.text import printable


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Columns and rows of one length; a newline in a cell is a line of its own on a terminal.

    The first `texts` columns hold words and stand to the left, the others numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    texts: int = 1


Sheets = Sequence[Sheet]


def stacked(sheet: Sheet, *, first: int) -> Sheet:
    """The sheet with its columns from `first` on in pairs, one under the other: half as wide."""
    return replace(
        sheet,
        columns=_pairs(sheet.columns, first),
        rows=tuple(_pairs(r, first) for r in sheet.rows),
    )


def _pairs(cells: tuple[str, ...], first: int) -> tuple[str, ...]:
    upper, lower = cells[first::2], cells[first + 1 :: 2]
    return (*cells[:first], *(f"{a}\n{b}" for a, b in zip(upper, lower, strict=True)))


def show_sheets(console: Console, sheets: Sheets) -> None:
    """Print the sheets one after another, the second lines of cells and the notes dimmed."""
    for place, sheet in enumerate(sheets):
        if place:
            console.print()
        console.print(Text(printable(sheet.title), style="bold"))
        console.print(_table(sheet))
        for note in sheet.notes:
            console.print(Text(printable(note), style="dim"))


def markdown_sheets(sheets: Sheets) -> str:
    """Each sheet as a bold title, a table and its notes as a list."""
    return "\n\n".join(_markdown_sheet(sheet) for sheet in sheets)


def latex_sheets(sheets: Sheets) -> str:
    """Each sheet as a booktabs tabular, its title and notes as comments before it."""
    return "\n\n".join(_latex_sheet(sheet) for sheet in sheets)


SHEET_FORMATS: dict[str, Callable[[Sheets], str]] = {
    "markdown": markdown_sheets,
    "latex": latex_sheets,
}


def markdown_text(text: str) -> str:
    """One line in which nothing is Markdown or HTML."""
    for character in "\\|`*_~$<>[]&":
        text = text.replace(character, "\\" + character)
    return one_line(text)


def _table(sheet: Sheet) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, column in enumerate(sheet.columns):
        cells = [row[place] for row in sheet.rows]
        whole = place >= sheet.texts and _width([column]) <= _width(cells)
        table.add_column(
            Text(printable(column)),
            justify="left" if place < sheet.texts else "right",
            overflow="fold",
            no_wrap=whole,  # a number is never broken; words, and names over numbers, may be
        )
    for row in sheet.rows:
        table.add_row(*[_cell(cell) for cell in row])
    return table


def _width(cells: Iterable[str]) -> int:
    return max((len(line) for cell in cells for line in cell.split("\n")), default=0)


def _cell(text: str) -> Text:
    first, newline, rest = printable(text).partition("\n")
    return Text(first).append(newline + rest, style="dim")


def _markdown_sheet(sheet: Sheet) -> str:
    table = _tabulated(sheet, markdown_text, "pipe")
    notes = "\n".join(f"- {markdown_text(note)}" for note in sheet.notes)
    return "\n\n".join(part for part in (f"**{markdown_text(sheet.title)}**", table, notes) if part)


def _latex_sheet(sheet: Sheet) -> str:
    table = guarded(_tabulated(sheet, known_to_latex, "latex_booktabs"))
    table = table.replace("−", "$-$").replace("†", r"\dag{}")
    return "\n".join([*(f"% {one_line(text)}" for text in (sheet.title, *sheet.notes)), table])


def _tabulated(sheet: Sheet, escape: Callable[[str], str], style: str) -> str:
    sides = ["left" if place < sheet.texts else "right" for place in range(len(sheet.columns))]
    rows = [[escape(cell) for cell in row] for row in sheet.rows]
    titles = [escape(column) for column in sheet.columns]
    return tabulate(rows, titles, tablefmt=style, colalign=sides, disable_numparse=True)


def guarded(table: str) -> str:
    """A LaTeX tabular of which no row begins with `[` or `*`, which end the one before."""
    return re.sub(r"^(\s*)([\[*])", r"\1{\2}", table, flags=re.MULTILINE)


def known_to_latex(text: str) -> str:
    """One line of characters that pdfLaTeX has: it stops at others, of which texts may have any."""
    line = one_line(text).replace("⏎", " / ").replace("→", "to")
    return "".join(c if c < "\u0180" or c in "–—‘’“”…−†" else "?" for c in line)


def one_line(text: str) -> str:
    """Printable, and on one line: nothing ends a table's row or a comment early."""
    return " ".join(printable(text).split())
