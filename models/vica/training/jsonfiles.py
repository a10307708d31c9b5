"""Records of a JSON list or of JSON Lines, each with the bytes it takes, and one of them again.

A file is read once, in portions; what is kept of a record is where it begins and how long it is.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from vica.errors import DataError, pointer
from vica.training.records import RecordError

PORTION = 1 << 20
LONGEST = 64 << 20
"""Characters of one record at most: beyond that the file is no list of conversations."""
BLANK = " \t\r\n"


class Scanned(NamedTuple):
    """A record where it lies: `size` bytes at `place`, `raw`; `record` says what they spell."""

    place: int
    size: int
    raw: bytes
    record: object | RecordError


def scan(path: Path) -> Iterator[Scanned]:
    """The records of a `.json` list or a `.jsonl` file, in its order.

    A line that is no JSON is a RecordError in its place; in a list nothing after it could be found,
    so that DataError is raised, as it is when the file cannot be read or holds no list.
    """
    try:
        with path.open("rb") as file:
            yield from _lines(file) if path.suffix == ".jsonl" else _list(path, file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def read(path: Path, place: int, size: int) -> object:
    """The record that `scan` found there; raises RecordError if there is none any more."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            return json.loads(file.read(size))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"is no JSON: {error}") from error


def _lines(file: IO[bytes]) -> Iterator[Scanned]:
    place = 0
    for line in file:
        if line.strip():
            yield Scanned(place, len(line), line, _parsed(line))
        place += len(line)


def _parsed(line: bytes) -> object | RecordError:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        return RecordError(f"is no JSON: {error}")
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
    """The part of a file that is being parsed, and the byte at which it is."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path, self.file = path, file
        self.utf8 = codecs.getincrementaldecoder("utf-8")()
        self.json = json.JSONDecoder()
        self.text, self.at, self.byte, self.ended = "", 0, 0, False
        self._fill()
        self._skip(self.text.startswith("\ufeff"))

    def next(self) -> str:
        """The next character that is not blank; nothing at the end of the file."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in BLANK:
                self._skip(1)
            if self.at < len(self.text) or not self._fill():
                return self.text[self.at : self.at + 1]

    def take(self, wanted: str) -> None:
        """Go over a character of the list, or raise DataError if another stands there."""
        if self.next() != wanted:
            raise self.error(f"is no JSON list of records ({wanted!r} expected)")
        self._skip(1)

    def record(self) -> Scanned:
        """The value that begins at the next character."""
        self.next()
        while True:
            problem = "is too long for a record"
            try:
                value, end = self.json.raw_decode(self.text, self.at)
                # A number at the edge may go on in the next portion.
                if end < len(self.text) or self.ended:
                    return self._scanned(value, end)
            except (ValueError, RecursionError) as error:
                problem = f"is no JSON: {error}"
            if self.ended or len(self.text) - self.at > LONGEST:
                raise self.error(problem)
            self._fill()

    def error(self, problem: str) -> DataError:
        """What to say about the place that was reached."""
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
        """Read a portion more; False at the end of the file."""
        if self.ended:
            return False
        content = self.file.read(PORTION)
        self.ended = not content
        try:
            more = self.utf8.decode(content, final=self.ended)
        except UnicodeDecodeError as error:
            raise self.error(f"is no UTF-8 text ({error.reason})") from None
        self.text, self.at = self.text[self.at :] + more, 0
        return not self.ended
