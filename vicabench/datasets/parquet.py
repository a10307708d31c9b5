"""Rows of a parquet file, as VSI-Bench publishes its questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vicabench.errors import DataError


def read_rows(path: Path) -> Iterator[tuple[str, object]]:
    """Yield `("row 3", row)` for every row; rows are counted from one.

    Raises:
        DataError: when the file cannot be read as parquet.
    """
    import pyarrow  # noqa: PLC0415  (a second of loading, for this module alone)
    import pyarrow.parquet  # noqa: PLC0415

    try:
        rows = pyarrow.parquet.ParquetFile(path).read().to_pylist()
    except (OSError, ValueError, OverflowError, pyarrow.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read as parquet ({_first_line(error)}). Delete it and fetch or "
            "copy it again."
        ) from None
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
