"""Rows of a parquet file, as VSI-Bench publishes its questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vicabench.errors import DataError
from vicabench.text import counted

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

ROWS, VALUES = 1_000_000, 20_000_000
LARGEST = 256 << 20
"""Bytes of all columns without compression, and of all texts written out.

A file keeps a text that is repeated once: a hundred kilobytes can hold gigabytes. VSI-Bench has
5,130 rows and some two megabytes.
"""
BATCH = 1024


def read_rows(path: Path) -> Iterator[tuple[str, object]]:
    """Yield `("row 3", row)` for every row; rows are counted from one.

    Raises:
        DataError: when the file cannot be read as parquet, or would grow beyond measure.
    """
    import pyarrow  # noqa: PLC0415  (a second of loading, for this module alone)

    try:
        rows = list(_rows(path))
    except (OSError, ValueError, OverflowError, pyarrow.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read as parquet ({_first_line(error)}). Delete it and fetch or "
            "copy it again."
        ) from None
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row


def _rows(path: Path) -> Iterator[object]:
    import pyarrow.parquet  # noqa: PLC0415

    with pyarrow.parquet.ParquetFile(path) as file:
        metadata = file.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    _refuse(path, metadata.num_rows > ROWS, counted(metadata.num_rows, "row"), f"{ROWS:,}")
    values = sum(column.num_values for column in columns)
    _refuse(path, values > VALUES, counted(values, "value"), f"{VALUES:,}")
    _check_size(path, sum(column.total_uncompressed_size for column in columns))
    texts = {c.path_in_schema for c in columns if c.physical_type == "BYTE_ARRAY"}
    size = 0
    # Texts stay as numbers into their dictionary until it is known how long they are.
    with pyarrow.parquet.ParquetFile(path, read_dictionary=sorted(texts)) as file:
        for batch in file.iter_batches(batch_size=BATCH):
            size += sum(_text_size(column) for column in batch.columns)
            _check_size(path, size)
            yield from batch.to_pylist()


def _text_size(column: pyarrow.Array) -> int:
    """Bytes of all texts in a column, each as often as it is there."""
    import pyarrow  # noqa: PLC0415
    import pyarrow.compute  # noqa: PLC0415

    kind, types = column.type, pyarrow.types
    if types.is_dictionary(kind):
        lengths = pyarrow.compute.binary_length(column.dictionary).cast("int64")
        return int(pyarrow.compute.sum(lengths.take(column.indices)).as_py() or 0)
    if types.is_map(kind):
        return _text_size(column.keys) + _text_size(column.items)
    if types.is_list(kind) or types.is_large_list(kind):
        return _text_size(column.flatten())
    if types.is_struct(kind):
        return sum(map(_text_size, column.flatten()))
    return int(column.nbytes)


def _check_size(path: Path, size: int) -> None:
    _refuse(path, size > LARGEST, counted(size, "byte"), f"{LARGEST:,}")


def _refuse(path: Path, wrong: bool, what: str, most: str) -> None:
    if wrong:
        raise DataError(f"{path} is refused: it holds {what}, and no questions have over {most}.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
