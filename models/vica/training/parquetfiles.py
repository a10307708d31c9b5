"""Records of a parquet file, its images inside or beside it.

`datasets` would convert such files into a second copy of their images; pyarrow reads a row group
where it is. The image of row 17 of `a.parquet` goes by the path `a.parquet/17`.
"""

from __future__ import annotations

import bisect
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from PIL import Image

from vica.errors import DataError
from vica.training import imagefiles
from vica.training.jsonfiles import Scanned
from vica.training.records import FIELDS, TURNS, is_media
from vica.training.types import IMAGE

SUFFIX = ".parquet"
BYTES = "bytes"
"""The field of an image that holds the file; it is read when the image is wanted."""
READ = ("id", *TURNS, *FIELDS)
ROWS = 1024


def scan(path: Path) -> Iterator[Scanned]:
    """The rows of the file, without their images; raises DataError if it cannot be read.

    A row's `place` is its number, and it has no size.
    """
    with _explained(path):
        file = _opened(path)
        columns = _columns(path)
        number = 0
        for batch in file.iter_batches(batch_size=ROWS, columns=columns):
            for row in batch.to_pylist():
                record = _record(path, number, row)
                raw = json.dumps(record, sort_keys=True, default=str).encode()
                yield Scanned(number, 0, raw, record)
                number += 1


def read(path: Path, row: int) -> object:
    """The record of a row, as `scan` gives it."""
    with _explained(path):
        group, within = _place(path, row)
        return _record(path, row, _texts_of(path, group)[within])


def is_row(visual: Path) -> bool:
    """Whether a path names the image of a row."""
    return visual.parent.suffix == SUFFIX and visual.name.isdigit()


def image(visual: Path) -> Image.Image:
    """The image of the row that a path names; raises OSError if it is none."""
    path = visual.parent
    with _explained(path):
        group, within = _place(path, int(visual.name))
        file = _opened(path)
        names = [name for name in _with_bytes(path) if name in file.schema_arrow.names]
        row = file.read_row_group(group, columns=names).slice(within, 1).to_pylist()[0]
    held = [one for value in row.values() for one in _images(value)]
    return imagefiles.opened(io.BytesIO(held[0][BYTES] if held else b""))


def _record(path: Path, number: int, row: dict[str, Any]) -> dict[str, Any]:
    """A row's texts and media alone; an image inside the table goes by its row."""
    record = {
        name: value
        for name, value in row.items()
        if value is not None and (name in READ or is_media(name, value))
    }
    for name in _with_bytes(path):
        if images := _images(record.get(name)):
            record[name] = f"{path.name}/{number}" if len(images) == 1 else images
    return record


def _images(value: Any) -> list[dict[str, Any]]:
    """The images of a column that holds one in each row, or a list of them."""
    return [one for one in (value if isinstance(value, list) else [value]) if one is not None]


@lru_cache(maxsize=8)
def _columns(path: Path) -> list[str]:
    """What is read of every row: all but the files inside. Raises DataError for media as bytes."""
    schema = _opened(path).schema
    leaves = [schema.column(number) for number in range(len(schema))]
    bare = [leaf.path for leaf in leaves if _is_bytes(leaf) and "." not in leaf.path]
    if unread := [name for name in bare if is_media(name, name)]:
        raise DataError(
            f"{path}: its column {unread[0]!r} holds bytes without a path, which are not read: "
            "write them to files, and name those"
        )
    inside = {leaf.path for leaf in leaves if leaf.path.endswith(f".{BYTES}")}
    light = [leaf.path for leaf in leaves if leaf.path not in inside.union(bare)]
    named = {path.partition(".")[0] for path in light}
    return [*light, *(path for path in inside if path.partition(".")[0] not in named)]


@lru_cache(maxsize=8)
def _with_bytes(path: Path) -> list[str]:
    """The columns of images that lie in the file."""
    schema = _opened(path).schema
    paths = [schema.column(number).path for number in range(len(schema))]
    names = [path.partition(".")[0] for path in paths if path.endswith(f".{BYTES}")]
    return [name for name in names if FIELDS.get(name) == IMAGE]


def _is_bytes(leaf: Any) -> bool:
    return bool(leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type == "NONE")


@lru_cache(maxsize=8)
def _opened(path: Path) -> Any:
    import pyarrow.parquet  # noqa: PLC0415  (a second of loading, for these files alone)

    return pyarrow.parquet.ParquetFile(path)


@lru_cache(maxsize=8)
def _texts_of(path: Path, group: int) -> list[dict[str, Any]]:
    """The texts of a row group: kept, since its rows are often read one after another."""
    table = _opened(path).read_row_group(group, columns=_columns(path))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _place(path: Path, row: int) -> tuple[int, int]:
    """The row group that a row is in, and its number there."""
    metadata = _opened(path).metadata
    ends = list(accumulate(metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)))
    group = bisect.bisect_right(ends, row)
    return group, row - (ends[group - 1] if group else 0)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    import pyarrow  # noqa: PLC0415

    try:
        yield
    except (OSError, pyarrow.ArrowException, IndexError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: cannot be read as parquet ({reason}); fetch it again") from error
