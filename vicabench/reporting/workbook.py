"""Tables as files of spreadsheets: CSV, or an Excel workbook, by the suffix of the file."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vicabench.errors import NUMBER, ConfigError, csv_text, inert, printable
from vicabench.reporting.writing import write_file

SPREADSHEETS = (".csv", ".xlsx")
LONGEST = 32_767
"""Characters that a cell of Excel holds."""
Rows = Iterable[Mapping[str, Any]]


def check_spreadsheet(path: Path) -> None:
    """ConfigError for a file that is neither CSV nor a workbook."""
    if path.suffix.lower() not in SPREADSHEETS:
        raise ConfigError(f"{path}: the name of a table ends in {' or '.join(SPREADSHEETS)}.")


def write_spreadsheet(
    path: Path, columns: Sequence[str], rows: Rows, *, keep: Sequence[Path] = ()
) -> None:
    """Write a table, a line per row, as CSV or as an Excel workbook; missing cells are empty.

    Text that a spreadsheet would execute as a formula gets a leading apostrophe.

    Raises:
        ConfigError: For another suffix, a file of `keep`, or one that cannot be written.
    """
    check_spreadsheet(path)
    if path.suffix.lower() == ".csv":
        write_file(path, csv_text(columns, rows), keep=keep)
    else:
        write_file(path, _workbook(columns, rows), keep=keep)


def _workbook(columns: Sequence[str], rows: Rows) -> bytes:
    import pandas as pd  # noqa: PLC0415  (slow to import, and not every command needs it)

    lines = [{name: _cell(value) for name, value in row.items()} for row in rows]
    target = io.BytesIO()
    frame = pd.DataFrame(lines, columns=list(columns), dtype=object)
    frame.to_excel(target, index=False, engine="openpyxl", freeze_panes=(1, 1))
    return target.getvalue()


def _cell(value: Any) -> Any:
    """Numbers as numbers; all other values as text that is inert, printable and not too long."""
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and NUMBER.fullmatch(value) and "." in value:
        return float(value)  # CSV has scores as text of four decimals
    text = value if isinstance(value, str) else ", ".join(map(str, value))
    return inert(printable(text)[: LONGEST - 1])
