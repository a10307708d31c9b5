"""Tables that keep every number whole, however narrow the terminal is.

Words fold, the columns of numbers do not. Where they are too many for one table, they are split
into several, each with the names of the rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP = 2  # spaces between two columns, and those at both edges of a table
LEAST, OF_SEVERAL = 12, 7  # characters to which a column of words is folded at most
PIECES = re.compile(r"\s+|(?:[^\s/_-]|[/_-](?=\d))+[/_-]*|[/_-]+")
"""What is not broken: words, and the parts of names up to a mark that no digit follows."""
NUMBER = re.compile(r"[^\w\s]*\d[\d.,:/%–−+\]-]*[^\w\s]?")
BOUND = re.compile(r"(?<=\d) (?=\[)|(?<=,) (?=[+−\d.]+\])|(?<=\d) (?=– [+−\d])|(?<=–) (?=[+−\d])")
"""Spaces within a number and its interval."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Cells of one or more lines; a row that is None draws a rule.

    The first `texts` columns hold words, stand to the left and may fold; the others hold numbers.
    `heads` are the titles of the columns. With `rule`, a line divides them from the rows.
    """

    heads: tuple[Text, ...]
    rows: tuple[tuple[Text, ...] | None, ...]
    texts: int = 1
    rule: bool = True

    def column(self, place: int) -> list[Text]:
        """The cells of a column, without its title."""
        return [row[place] for row in self.rows if row is not None]

    @property
    def width(self) -> int:
        """The characters that the table takes if nothing is folded."""
        return _total([widest([h, *self.column(place)]) for place, h in enumerate(self.heads)])


def print_grid(console: Console, grid: Grid) -> None:
    """Print a grid as one table, or as several below each other where one would not fit."""
    for table in _tables(grid, console.width):
        needed = max(console.width, console.measure(table).minimum)
        console.print(table, width=needed, crop=False, no_wrap=True, overflow="ignore")


def print_words(console: Console, text: str, style: str) -> None:
    """Print a paragraph folded at spaces, but not within a number with its interval."""
    for line in text.split("\n"):
        for part in _paragraph(line, console.width):
            console.print(Text(part, style=style), soft_wrap=True)


def widest(cells: Iterable[Text]) -> int:
    """The characters of the longest line of these cells."""
    return max((line.cell_len for cell in cells for line in cell.split("\n")), default=0)


def _tables(grid: Grid, width: int) -> Iterator[Table]:
    if grid.width <= width:
        yield _table(grid, range(len(grid.heads)), {})
        return
    least = [_least(grid, place) for place in range(len(grid.heads))]
    words, numbers = least[: grid.texts], least[grid.texts :]
    room = max(width - _total(words), 1)
    parts = _parts(numbers, room)
    taken = max((sum(numbers[i] + GAP for i in part) for part in parts), default=0)
    folded = _filled(grid, words, width - taken)
    titles = {grid.texts + place: least for place, least in enumerate(numbers)}
    for part in parts or [range(0)]:
        shown = [*range(grid.texts), *(grid.texts + place for place in part)]
        yield _table(grid, shown, {**dict(enumerate(folded)), **titles})


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * len(widths)


def _least(grid: Grid, place: int) -> int:
    """The width below which a number would break, or words be folded beyond reading."""
    cells, head = grid.column(place), grid.heads[place]
    title = max(map(len, head.plain.split()), default=0)
    if place >= grid.texts:
        return max(widest(cells), title)
    numbers = [len(word) for cell in cells for word in cell.plain.split() if NUMBER.fullmatch(word)]
    least = LEAST if grid.texts == 1 else OF_SEVERAL
    return max([min(widest([head, *cells]), least), title, *numbers])


def _parts(widths: Sequence[int], room: int) -> list[range]:
    """The columns of each table: as few tables as possible, of about as many columns."""
    fewest = len(_greedy(widths, room, len(widths)))
    most = next(
        n
        for n in range(math.ceil(len(widths) / max(1, fewest)), len(widths) + 1)
        if len(_greedy(widths, room, n)) == fewest
    )
    return _greedy(widths, room, most)


def _greedy(widths: Sequence[int], room: int, most: int) -> list[range]:
    parts, start = [], 0
    for place in range(1, len(widths) + 1):
        inside = sum(width + GAP for width in widths[start:place])
        if place - start > 1 and (inside > room or place - start > most):
            parts.append(range(start, place - 1))
            start = place - 1
    return [*parts, range(start, len(widths))] if widths else []


def _filled(grid: Grid, least: Sequence[int], room: int) -> list[int]:
    """Widths of the columns of words: the longest are folded first, none below its least."""
    natural = [widest([grid.heads[i], *grid.column(i)]) for i in range(grid.texts)]
    for cap in range(max(natural, default=0), 0, -1):
        widths = [min(n, max(low, cap)) for n, low in zip(natural, least, strict=True)]
        if _total(widths) <= room:
            return widths
    return list(least)


def _table(grid: Grid, shown: Sequence[int], widths: dict[int, int]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD if grid.rule else None,
        pad_edge=False,
        padding=(0, 1 if grid.rule else GAP, 0, 0),
        show_header=any(grid.heads[place].plain for place in shown),
    )
    for place in shown:
        side = "left" if place < grid.texts else "right"
        head = _folded(grid.heads[place], widths.get(place))
        table.add_column(head, justify=side, no_wrap=True)  # type: ignore[arg-type]
    for row in grid.rows:
        if row is None:
            table.add_section()
        else:
            table.add_row(*(_folded(row[place], widths.get(place)) for place in shown))
    return table


def _folded(cell: Text, width: int | None) -> Text:
    """The cell with each of its lines folded to a width, after spaces and the marks of names."""
    if width is None or widest([cell]) <= width:
        return cell
    lines = (part for line in cell.split("\n") for part in _cut(line, width))
    return Text("\n").join(lines)


def _cut(line: Text, width: int) -> Iterator[Text]:
    start = end = 0
    for match in PIECES.finditer(line.plain):
        if match.end() - start > width and not (match[0].isspace() or end == start):
            yield _bare(line[start:end])
            start = match.start()
        while match.end() - start > width and not match[0].isspace():
            yield _bare(line[start : start + width])
            start += width
        end = match.end()
    yield _bare(line[start:end])


def _bare(text: Text) -> Text:
    text.rstrip()
    return text


def _paragraph(line: str, width: int) -> Iterator[str]:
    words = BOUND.sub("\0", line).split(" ")
    shown = words[0]
    for word in words[1:]:
        if len(shown) + 1 + len(word) > width:
            yield shown.replace("\0", " ")
            shown = word
        else:
            shown += " " + word
    yield shown.replace("\0", " ")
