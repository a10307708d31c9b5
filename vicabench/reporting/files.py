"""Output files: spreadsheets, figure formats, and writing without replacing inputs."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vicabench import files
from vicabench.errors import NUMBER, ConfigError, csv_text, inert, printable
from vicabench.results.store import CONFIG, PREDICTIONS

SPREADSHEETS = (".csv", ".xlsx")
LONGEST = 32_767
"""Characters that a cell of Excel holds."""
FIGURES = ("pdf", "svg", "png")
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


def figure_formats(names: str | Sequence[str]) -> tuple[str, ...]:
    """Parse figure formats, given as a list or a comma-separated text.

    ConfigError naming the formats there are if one is unknown.
    """
    listed = names.split(",") if isinstance(names, str) else names
    formats = tuple(dict.fromkeys(name.strip() for name in listed))
    if unknown := [name for name in formats if name not in FIGURES]:
        raise ConfigError(
            f"There is no figure format '{', '.join(unknown)}'. Formats are {', '.join(FIGURES)}."
        )
    return formats


def write_file(path: Path, text: str | bytes, *, keep: Sequence[Path] = ()) -> None:
    """Write an output file, but never over one of `keep`.

    ConfigError saying why if that is impossible.
    """
    check_not_input(path, keep)
    try:
        files.output(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None


def size_of(text: str) -> str:
    """The size of a text in UTF-8 as people write it: `33 kB`, `1.8 MB`."""
    size = len(text.encode())
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{math.ceil(size / 1e3)} kB"


def made_folder(path: str | Path) -> Path:
    """Create a folder for output files if needed; ConfigError if that is impossible."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be created: {error.strerror}.") from None
    return folder


def check_not_input(path: Path, keep: Sequence[Path]) -> None:
    """Raise ConfigError if this file is one of `keep`, or a file of a run folder among them."""
    folders = [outer.parent if outer.name == PREDICTIONS else outer for outer in keep]
    inside = [folder / name for folder in folders for name in (PREDICTIONS, CONFIG)]
    if any(path.exists() and each.exists() and path.samefile(each) for each in (*keep, *inside)):
        raise ConfigError(f"{path} is an input and is not overwritten. Name another file.")
