"""What a reader of another harness's file yields: rows in our terms, or what is wrong with one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vicabench.errors import DataError

Record = Mapping[str, Any]
Row = tuple[str, Record | DataError]
"""Where a row stands (`line 3`), with the columns of a predictions file as far as it has them."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of another harness.

    `model` is the name the file gives, None if it gives none. `subset` is that of VSI-Bench which
    the harness says it asked, None where it says nothing. `details` is what else identifies the
    run (versions, settings), in JSON values.
    """

    harness: str
    file: Path
    rows: Iterable[Row]
    model: str | None = None
    subset: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()


def each(rows: Iterable[Row], convert: Callable[[Record], Record]) -> Iterator[Row]:
    """Convert every row; a DataError is that row's alone, and goes on in its place."""
    for place, row in rows:
        try:
            yield place, (row if isinstance(row, DataError) else convert(row))
        except DataError as error:
            yield place, error
