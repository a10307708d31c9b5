"""Records of a parquet file in the columns of LLaVA-OneVision-Data, its images inside.

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
from vica.training.jsonfiles import Scanned

SUFFIX = ".parquet"
TEXTS = ("id", "conversations")
IMAGE_PATH = "image.path"
ROWS = 1024


def scan(path: Path) -> Iterator[Scanned]:
    """The rows of the file, without their images; raises DataError if it cannot be read.

    A row's `place` is its number, and it has no size.
    """
    with _explained(path):
        file = _opened(path)
        columns = [*_texts(file), *([IMAGE_PATH] if _has_images(file) else [])]
        number = 0
        for batch in file.iter_batches(batch_size=ROWS, columns=columns):
            for row in batch.to_pylist():
                record = _record(path, number, row)
                raw = json.dumps(record, sort_keys=True).encode()
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
        column = _opened(path).read_row_group(group, columns=["image"]).column("image")
        content = column[within].as_py()["bytes"]
    return Image.open(io.BytesIO(content or b""))


def _record(path: Path, number: int, row: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {name: row[name] for name in TEXTS if row.get(name) is not None}
    if row.get("image") is not None:
        record["image"] = f"{path.name}/{number}"
    return record


def _texts(file: Any) -> list[str]:
    return [name for name in TEXTS if name in file.schema_arrow.names]


def _has_images(file: Any) -> bool:
    return "image" in file.schema_arrow.names


@lru_cache(maxsize=8)
def _opened(path: Path) -> Any:
    import pyarrow.parquet  # noqa: PLC0415  (a second of loading, for these files alone)

    return pyarrow.parquet.ParquetFile(path)


@lru_cache(maxsize=8)
def _texts_of(path: Path, group: int) -> list[dict[str, Any]]:
    """The texts of a row group: kept, since its rows are often read one after another."""
    file = _opened(path)
    columns = [*_texts(file), *([IMAGE_PATH] if _has_images(file) else [])]
    rows: list[dict[str, Any]] = file.read_row_group(group, columns=columns).to_pylist()
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
