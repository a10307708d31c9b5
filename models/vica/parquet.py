"""Rows of a parquet file in batches, measured before their texts are written out.

A file keeps a text that is repeated once: a hundred kilobytes can hold gigabytes. What it says of
its own size is not enough to bound what it becomes in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

BATCH = 1024
"""Rows that are decoded at a time."""


def opened(path: Path) -> pyarrow.parquet.ParquetFile:
    """The file, whose texts stay numbers into a dictionary until they are written out."""
    import pyarrow.parquet  # noqa: PLC0415  (a second of loading, for these files alone)

    file = pyarrow.parquet.ParquetFile(path)
    leaves = [file.schema.column(number) for number in range(len(file.schema))]
    texts = sorted({leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"})
    return pyarrow.parquet.ParquetFile(path, metadata=file.metadata, read_dictionary=texts)


def stated(metadata: Any, group: int, columns: Sequence[str] | None = None) -> tuple[int, int]:
    """Values and bytes of a row group, decompressed, as the file states them.

    `columns` are paths of leaves, or names of whole columns.
    """
    chunks = [metadata.row_group(group).column(n) for n in range(metadata.num_columns)]
    read = [
        chunk
        for chunk in chunks
        if columns is None
        or chunk.path_in_schema in columns
        or chunk.path_in_schema.partition(".")[0] in columns
    ]
    values = sum(chunk.num_values for chunk in read)
    return values, sum(chunk.total_uncompressed_size for chunk in read)


def batches(file: pyarrow.parquet.ParquetFile, **chosen: Any) -> Iterator[pyarrow.RecordBatch]:
    """Batches of an `opened` file; `chosen` are `row_groups` and `columns` of `iter_batches`."""
    yield from file.iter_batches(batch_size=BATCH, **chosen)


def size_of(batch: pyarrow.RecordBatch) -> int:
    """Bytes of all values of a batch when they are written out."""
    return sum(map(_size, batch.columns))


def _size(column: pyarrow.Array) -> int:
    """Bytes of all values in a column, each as often as it is there."""
    import pyarrow  # noqa: PLC0415
    import pyarrow.compute  # noqa: PLC0415

    kind, types = column.type, pyarrow.types
    if types.is_dictionary(kind):
        lengths = pyarrow.compute.binary_length(column.dictionary).cast("int64")
        return int(pyarrow.compute.sum(lengths.take(column.indices)).as_py() or 0)
    if types.is_map(kind):
        return _size(column.keys) + _size(column.items)
    if types.is_list(kind) or types.is_large_list(kind):
        return _size(column.flatten())
    if types.is_struct(kind):
        return sum(map(_size, column.flatten()))
    return int(column.nbytes)
