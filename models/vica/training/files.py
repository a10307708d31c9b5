"""Reading records of JSON, JSON Lines and parquet files, and their images."""

from __future__ import annotations

import bisect
import codecs
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import Image

from vica import parquet
from vica.errors import DataError, counted, pointer
from vica.training.records import FIELDS, IMAGE, TURNS, RecordError, is_media

PROGRAMS = frozenset({"EPS", "WMF"})
"""Formats that are programs, which Pillow passes to Ghostscript or Windows to run."""


def opened(source: Path | IO[bytes]) -> Image.Image:
    """Open the image in a file or stream; raises OSError if Pillow itself cannot decode it."""
    return Image.open(source, formats=_formats())


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(sorted(Image.OPEN.keys() - PROGRAMS))


PORTION = 1 << 20
LONGEST = 64 << 20
"""Most characters of a record: a file with longer ones is not a list of conversations."""
BLANK = " \t\r\n"


class Scanned(NamedTuple):
    """A record and its location: `size` bytes at offset `place`, the `raw` bytes, their value."""

    place: int
    size: int
    raw: bytes
    record: object | RecordError


def scan_json(path: Path) -> Iterator[Scanned]:
    """The records of a `.json` list or a `.jsonl` file, in order.

    A line of a `.jsonl` that is not JSON yields a RecordError in its place.

    Raises:
        DataError: The file cannot be read, or a `.json` is not a valid list of records.
    """
    try:
        with path.open("rb") as file:
            yield from _lines(file) if path.suffix == ".jsonl" else _list(path, file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_json(path: Path, place: int, size: int) -> object:
    """Read a record that `scan_json` located; raises RecordError if it is no longer there."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            return json.loads(file.read(size))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"is not JSON: {error}") from error


def _lines(file: IO[bytes]) -> Iterator[Scanned]:
    place = 0
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise DataError(
                f"{file.name}: is refused: the record at byte {place} has over {LONGEST:,} bytes"
            )
        if line.strip():
            yield Scanned(place, len(line), line, _parsed(line))
        place += len(line)


def _parsed(line: bytes) -> object | RecordError:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        return RecordError(f"is not JSON: {error}")
    return value


def _list(path: Path, file: IO[bytes]) -> Iterator[Scanned]:
    window = _Window(path, file)
    window.take("[")
    while window.next() != "]":
        yield window.record()
        if window.next() != "]":
            window.take(",")
    window.take("]")
    if window.next():
        raise window.error("goes on after the end of its list")


class _Window:
    """The part of a file that is being parsed, and its byte offset."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path, self.file = path, file
        self.utf8 = codecs.getincrementaldecoder("utf-8")()
        self.json = json.JSONDecoder()
        self.text, self.at, self.byte, self.ended = "", 0, 0, False
        self._fill()
        self._skip(self.text.startswith("\ufeff"))

    def next(self) -> str:
        """The next non-blank character; an empty string at the end of the file."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in BLANK:
                self._skip(1)
            if self.at < len(self.text) or not self._fill():
                return self.text[self.at : self.at + 1]

    def take(self, wanted: str) -> None:
        """Skip an expected character; raises DataError if the next one differs."""
        if self.next() != wanted:
            raise self.error(f"is not a JSON list of records ({wanted!r} expected)")
        self._skip(1)

    def record(self) -> Scanned:
        """Parse the value that begins at the next character."""
        self.next()
        while True:
            problem = "is too long for a record"
            try:
                value, end = self.json.raw_decode(self.text, self.at)
                # A number at the edge may go on in the next portion.
                if end < len(self.text) or self.ended:
                    return self._scanned(value, end)
            except (ValueError, RecursionError) as error:
                problem = f"is not JSON: {error}"
            if self.ended or len(self.text) - self.at > LONGEST:
                raise self.error(problem)
            self._fill()

    def error(self, problem: str) -> DataError:
        """The error for a problem at the current position."""
        what = pointer(self.path) or f"{problem}, at byte {self.byte}; fetch or write it again"
        return DataError(f"{self.path}: {what}")

    def _scanned(self, value: Any, end: int) -> Scanned:
        raw, place = self.text[self.at : end].encode(), self.byte
        self.at, self.byte = end, place + len(raw)
        return Scanned(place, len(raw), raw, value)

    def _skip(self, count: int) -> None:
        passed = self.text[self.at : self.at + count]
        self.at, self.byte = self.at + count, self.byte + len(passed.encode())

    def _fill(self) -> bool:
        """Read the next portion; False at the end of the file."""
        if self.ended:
            return False
        content = self.file.read(PORTION)
        self.ended = not content
        try:
            more = self.utf8.decode(content, final=self.ended)
        except UnicodeDecodeError as error:
            raise self.error(f"is not UTF-8 text ({error.reason})") from None
        self.text, self.at = self.text[self.at :] + more, 0
        return not self.ended


SUFFIX = ".parquet"
BYTES = "bytes"
"""The field of an image that holds the file; it is read when the image is wanted."""
READ = ("id", *TURNS, *FIELDS)
VALUES, LARGEST = 20_000_000, 2 << 30
"""Values of a row group that are read, and their bytes without compression and written out.

pyarrow cannot read more than these bytes of images in a row group either.
"""
LARGEST_TEXTS = 256 << 20
"""Bytes of the texts of `parquet.BATCH` rows, written out."""


def scan_parquet(path: Path) -> Iterator[Scanned]:
    """The rows of the file, without their images; raises DataError if it cannot be read.

    A row's `place` is its number, and it has no size.
    """
    with _explained(path):
        number = 0
        for group in range(_opened(path).metadata.num_row_groups):
            for batch in _batches(path, group, _columns(path)):
                for row in batch.to_pylist():
                    record = _record(path, number, row)
                    raw = json.dumps(record, sort_keys=True, default=str).encode()
                    yield Scanned(number, 0, raw, record)
                    number += 1


def read_parquet(path: Path, row: int) -> object:
    """The record of a row, as `scan_parquet` gives it."""
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
        _check_stated(path, group, _with_bytes(path))
        table = _opened(path).read_row_group(group, columns=_with_bytes(path))
        row = table.slice(within, 1).combine_chunks().to_batches()[0]
        _check_size(path, parquet.size_of(row))
        held = [one for value in row.to_pylist()[0].values() for one in _images(value)]
    return opened(io.BytesIO(held[0][BYTES] if held else b""))


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
    return parquet.opened(path)


def _batches(path: Path, group: int, columns: list[str]) -> Iterator[Any]:
    """Batches of a row group; DataError once it holds more than training data can."""
    _check_stated(path, group, columns)
    size = 0
    for batch in parquet.batches(_opened(path), row_groups=[group], columns=columns):
        texts = parquet.size_of(batch)
        size += texts
        _check_size(path, texts, LARGEST_TEXTS)
        _check_size(path, size)
        yield batch


def _check_stated(path: Path, group: int, columns: list[str]) -> None:
    values, size = parquet.stated(_opened(path).metadata, group, columns)
    _refuse(path, values > VALUES, counted(values, "value"), VALUES)
    _check_size(path, size)


def _check_size(path: Path, size: int, most: int = LARGEST) -> None:
    _refuse(path, size > most, counted(size, "byte"), most)


def _refuse(path: Path, wrong: bool, what: str, most: int) -> None:
    if wrong:
        raise DataError(
            f"{path}: is refused: rows that are read together hold {what}, and at most {most:,} "
            "may be. Write it again in smaller row groups, if it is training data at all"
        )


@lru_cache(maxsize=8)
def _texts_of(path: Path, group: int) -> list[dict[str, Any]]:
    """The texts of a row group: kept, since its rows are often read one after another."""
    return [row for batch in _batches(path, group, _columns(path)) for row in batch.to_pylist()]


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
