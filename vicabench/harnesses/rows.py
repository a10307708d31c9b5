"""Rows of other harnesses' files, from JSON Lines and spreadsheets."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from vicabench.errors import DataError, counted

Record = Mapping[str, Any]
Row = tuple[str, Record | DataError]
"""The place of a row (`line 3`) and those columns of a predictions file that it has.

Beside these a row may have `score`, the harness's own grade in [0, 1]; `model`; `pruned`, the
column of VSI-Bench; and, instead of an id, `position` in the questions with its `prompt`.
"""

MEASURES = ("accuracy", "MRA:.5:.95:.05", "hit")
"""Names of the score of one answer in other harnesses."""
FRAMES = re.compile(r"(?:max_)?(?:num_)?(?:video_)?n?frames?(?:_num)?")
SECRET = re.compile(r"(?i)(?:key|token|secret|password)\Z")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of another harness.

    `model` is the name the file gives, None if it gives none. `subset` is that of VSI-Bench which
    the harness says it asked, None where it says nothing; the ids of the rows decide where it is
    not `subset_sure`. `frames` is the number of frames that its settings name, 0 where they name
    none. `details` is what else identifies the run (versions, settings), in JSON values.
    `graded_by` names the protocols by which the harness may have graded, the likeliest first, and
    `because` what in the file speaks for them.
    """

    harness: str
    file: Path
    rows: Iterable[Row]
    model: str | None = None
    subset: str | None = None
    subset_sure: bool = True
    frames: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    graded_by: tuple[str, ...] = ()
    because: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()


MISSING = frozenset(
    [
        *("#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "None", "n/a", "null"),
        *("-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN", "-NaN", "-nan", "NaN", "nan"),
    ]
)
"""Texts that pandas reads as missing values (`pandas.read_csv`, `na_values`)."""


def each(rows: Iterable[Row], convert: Callable[[Record], Record]) -> Iterator[Row]:
    """Convert every row; a DataError of a row is yielded in its place."""
    for place, row in rows:
        try:
            yield place, (row if isinstance(row, DataError) else convert(row))
        except DataError as error:
            yield place, error


def own_score(*records: Record) -> float | None:
    """The first score in [0, 1] in the records; None without one."""
    found = (record[name] for record in records for name in MEASURES if name in record)
    return next((float(x) for x in found if isinstance(x, (int, float)) and 0 <= x <= 1), None)


def arguments_of(text: Any) -> dict[str, str]:
    """Parse settings such as `a=1,b=2`; anything but a text has none."""
    pairs = (pair.partition("=") for pair in str(text).split(",")) if isinstance(text, str) else ()
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def without_secrets(text: Any) -> Any:
    """Settings such as `model=m,api_key=...` with `***` for each key, token and password."""
    if isinstance(text, Mapping):
        return {k: "***" if SECRET.search(str(k)) else without_secrets(v) for k, v in text.items()}
    if not isinstance(text, str):
        return text
    pairs = (pair.partition("=") for pair in text.split(","))
    return ",".join(
        f"{name}{equals}{'***' if equals and SECRET.search(name.strip()) else value}"
        for name, equals, value in pairs
    )


def frames_in(settings: Any) -> int:
    """The number of frames in the settings, under any of its usual names; 0 without one."""
    known = settings if isinstance(settings, Mapping) else arguments_of(settings)
    values = (str(value) for name, value in known.items() if FRAMES.fullmatch(str(name)))
    return next((int(value) for value in values if value.isdecimal() and len(value) < 7), 0)


def json_lines(path: Path) -> Iterator[Row]:
    """Yield `("line 3", object)` for every non-blank line, with a DataError for a bad one.

    DataError, raised, where the file cannot be read at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield f"line {number}", _object(line)


def _object(line: bytes) -> Record | DataError:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return DataError(f"it is not JSON ({error}).")
    return value if isinstance(value, dict) else DataError("it is not a JSON object.")


# All that openpyxl and zipfile raise for damaged files.
UNREADABLE = (
    *(BadZipFile, zlib.error, EOFError, LookupError),
    *(RuntimeError, ArithmeticError, ValueError, SyntaxError),
    *(TypeError, AttributeError),  # for elements of other kinds than it expects
)

LARGEST = 512 << 20
"""Maximum bytes of a workbook, unpacked, and of its texts, counted once per cell."""
CELLS = 5_000_000
"""Maximum number of cells, empty ones included; 5,130 questions have some hundred thousand."""
CUT = "cell"
"""The value of `stop` for a reply truncated by the length of a spreadsheet cell."""
LONGEST = 32_767  # characters of a cell
ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


def rows_of(path: Path) -> Iterator[Row]:
    """Yield `("row 2", cells by column name)`; an empty cell is None.

    DataError where the file cannot be read as what its ending says.
    """
    readers = {".xlsx": _xlsx, ".tsv": _tsv, ".json": _json}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path} is neither .xlsx nor .tsv nor .json.")
    try:
        yield from readers[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a table ({error}).") from None


def is_cut(text: str) -> bool:
    """Whether a cell of a workbook has the maximum length, so that text may be lost.

    Excel counts UTF-16 units, and leaves out a character that would need one too many; Python's
    writers count characters.
    """
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    wide = units > len(text)
    return len(text) == LONGEST or units == LONGEST or (wide and units == LONGEST - 1)


def _tsv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(2**31 - 1)  # a reply may be long
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        for row in reader:
            cells = {name: value or None for name, value in row.items() if name}
            yield f"line {reader.line_num}", cells


def _json(path: Path) -> Iterator[Row]:
    """The records of a data frame; NaN is an empty cell."""
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({error}).") from None
    if not isinstance(records, list):
        raise DataError(f"{path} is not a list of records.")
    for number, record in enumerate(records, start=1):
        good = isinstance(record, dict)
        yield f"record {number}", record if good else DataError("it is not an object.")


def _refuse_bomb(path: Path) -> None:
    """Raise DataError for a workbook that would grow beyond the limit when read."""
    try:
        with ZipFile(path) as book:
            grown = sum(member.file_size for member in book.infolist())
    except UNREADABLE as error:
        raise DataError(f"{path} is not a workbook ({error}).") from None
    if grown > LARGEST:
        raise _refused(path, counted(grown, "byte"), LARGEST)


def _refused(path: Path, what: str, most: int) -> DataError:
    return DataError(f"{path} is refused: it has {what} unpacked, and no results over {most:,}.")


def _bounded(path: Path, lines: Iterator[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    """Pass the lines through; DataError once they exceed the limits of cells or text."""
    cells = size = 0
    for line in lines:
        cells += max(1, len(line))
        size += sum(len(cell) for cell in line if isinstance(cell, str))
        if cells > CELLS:
            raise _refused(path, f"more than {CELLS:,} cells", CELLS)
        if size > LARGEST:
            raise _refused(path, counted(size, "character"), LARGEST)
        yield line


def _xlsx(path: Path) -> Iterator[Row]:
    _refuse_bomb(path)
    # Of parts that it leaves out; what matters is missed when rows are read.
    warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")
    try:
        yield from _rows(_bounded(path, _cells(path)))
    except UNREADABLE as error:
        raise DataError(f"{path} is not a workbook ({error}).") from None


def _rows(lines: Iterator[tuple[Any, ...]]) -> Iterator[Row]:
    header = [None if name is None else str(name) for name in next(lines, ())]
    for number, line in enumerate(lines, start=2):
        if any(cell is not None for cell in line):
            yield f"row {number}", {n: c for n, c in zip_longest(header, line) if n}


def _cells(path: Path) -> Iterator[tuple[Any, ...]]:
    """The cells of the first sheet, row by row, with unescaped texts."""
    from openpyxl.cell.text import Text  # noqa: PLC0415  # few need it
    from openpyxl.reader.excel import ExcelReader  # noqa: PLC0415
    from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS  # noqa: PLC0415
    from openpyxl.xml.functions import iterparse  # noqa: PLC0415

    class Reader(ExcelReader):
        """Read shared texts as stored, because openpyxl drops every `x005F_` from them."""

        def read_strings(self) -> None:
            part = self.package.find(SHARED_STRINGS)  # type: ignore[no-untyped-call]
            if part is None:
                return
            with self.archive.open(part.PartName[1:]) as file:
                for _, node in iterparse(file):
                    if node.tag == f"{{{SHEET_MAIN_NS}}}si":
                        text = Text.from_tree(node)
                        self.shared_strings.append(text.content if text else "")
                        node.clear()

    # Formulas as text: a reply that begins with `=` is one to a spreadsheet.
    with path.open("rb") as file:
        reader = Reader(file, read_only=True, data_only=False)
        reader.read()
        with closing(reader.wb) as book:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # as the file states them, which may be any
            for line in sheet.iter_rows(values_only=True):
                yield tuple(_unescaped(cell) if isinstance(cell, str) else cell for cell in line)


def _unescaped(text: str) -> str:
    """Replace escapes such as `_x000D_` by their characters.

    Those are what XML cannot hold, and an underscore before what would read as such (ECMA-376,
    part 1, 22.9.2.19).
    """
    if "_x" not in text:
        return text
    plain = ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    # Two halves of one character become that character.
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def whole_number(value: Any) -> Any:
    """An id as an integer again: pandas makes a column with empty cells float."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
