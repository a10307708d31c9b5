"""Tables with a header row, from xlsx and tsv files, row by row."""

from __future__ import annotations

import csv
import warnings
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from vicabench.errors import DataError
from vicabench.importing.rows import Row

if TYPE_CHECKING:
    from openpyxl import Workbook

# All that openpyxl and zipfile raise for damaged files.
UNREADABLE = (
    *(BadZipFile, zlib.error, EOFError, LookupError),
    *(RuntimeError, ArithmeticError, ValueError, SyntaxError),
    *(TypeError, AttributeError),  # for elements of other kinds than it expects
)

LARGEST = 512 << 20
"""Bytes of a workbook, unpacked, and of its texts, each as often as it is in a cell."""
CELLS = 5_000_000
"""Cells, empty ones before others too; 5,130 questions have some hundred thousand."""


def rows_of(path: Path) -> Iterator[Row]:
    """Yield `("row 2", cells by column name)`; an empty cell is None.

    DataError where the file cannot be read as what its ending says.
    """
    readers = {".xlsx": _xlsx, ".tsv": _tsv}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path} is neither .xlsx nor .tsv.")
    try:
        yield from readers[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a table ({error}).") from None


def _tsv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(2**31 - 1)  # a reply may be long
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        for row in reader:
            cells = {name: value or None for name, value in row.items() if name}
            yield f"line {reader.line_num}", cells


def _refuse_bomb(path: Path) -> None:
    """DataError for a workbook that would grow beyond measure when it is read."""
    try:
        with ZipFile(path) as book:
            grown = sum(member.file_size for member in book.infolist())
    except UNREADABLE as error:
        raise DataError(f"{path} is not a workbook ({error}).") from None
    if grown > LARGEST:
        raise _refused(path, f"{grown:,} bytes", LARGEST)


def _refused(path: Path, what: str, most: int) -> DataError:
    return DataError(f"{path} is refused: it has {what} unpacked, and no results over {most:,}.")


def _bounded(path: Path, lines: Iterator[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    """The same lines; DataError once they have more cells or text than results can have."""
    cells = size = 0
    for line in lines:
        cells += max(1, len(line))
        size += sum(len(cell) for cell in line if isinstance(cell, str))
        if cells > CELLS:
            raise _refused(path, f"more than {CELLS:,} cells", CELLS)
        if size > LARGEST:
            raise _refused(path, f"{size:,} characters", LARGEST)
        yield line


def _xlsx(path: Path) -> Iterator[Row]:
    from openpyxl import load_workbook  # noqa: PLC0415  # few need it

    _refuse_bomb(path)
    # Of parts that it leaves out; what matters is missed when rows are read.
    warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")
    try:
        # Formulas as text: a reply that begins with `=` is one to a spreadsheet.
        with path.open("rb") as file:
            yield from _lines(path, load_workbook(file, read_only=True, data_only=False))
    except UNREADABLE as error:
        raise DataError(f"{path} is not a workbook ({error}).") from None


def _lines(path: Path, book: Workbook) -> Iterator[Row]:
    with closing(book):
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # as the file states them, which may be any
        lines = _bounded(path, sheet.iter_rows(values_only=True))
        header = [None if name is None else str(name) for name in next(lines, ())]
        for number, line in enumerate(lines, start=2):
            if any(cell is not None for cell in line):
                yield f"row {number}", {n: c for n, c in zip(header, line, strict=False) if n}
