"""What a reader of another harness's file yields: rows in our terms, or what is wrong with one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vicabench.errors import DataError

Record = Mapping[str, Any]
Row = tuple[str, Record | DataError]
"""Where a row stands (`line 3`), with the columns of a predictions file as far as it has them.

Beside these a row may have `score`, the harness's own grade in [0, 1]; `model`; `pruned`, the
column of VSI-Bench; and, instead of an id, `position` in the questions with its `prompt`.
"""

MEASURES = ("accuracy", "MRA:.5:.95:.05", "hit")
"""What harnesses call the score of one answer."""
FRAMES = re.compile(r"(?:max_)?(?:num_)?(?:video_)?n?frames?(?:_num)?")
SECRET = re.compile(r"(?i)(?:key|token|secret|password)\Z")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of another harness.

    `model` is the name the file gives, None if it gives none. `subset` is that of VSI-Bench which
    the harness says it asked, None where it says nothing; the ids of the rows decide where it is
    not `subset_sure`. `frames` is the number of frames that its settings name, 0 where they name
    none. `details` is what else identifies the run (versions, settings), in JSON values.
    """

    harness: str
    file: Path
    rows: Iterable[Row]
    model: str | None = None
    subset: str | None = None
    subset_sure: bool = True
    frames: int = 0
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


def own_score(*records: Record) -> float | None:
    """The first score in [0, 1] that one of the records gives; None if there is none."""
    found = (record[name] for record in records for name in MEASURES if name in record)
    return next((float(x) for x in found if isinstance(x, (int, float)) and 0 <= x <= 1), None)


def arguments_of(text: Any) -> dict[str, str]:
    """The settings in `a=1,b=2`, as harnesses take them; none of anything but a text."""
    pairs = (pair.partition("=") for pair in str(text).split(",")) if isinstance(text, str) else ()
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def without_secrets(text: Any) -> Any:
    """Settings such as `model=m,api_key=...` with `***` for each key, token and password."""
    if isinstance(text, Mapping):
        return {k: "***" if SECRET.search(str(k)) else without_secrets(v) for k, v in text.items()}
    if not isinstance(text, str):
        return text
    pairs = (pair.partition("=") for pair in text.split(","))
    return ",".join(
        f"{name}{equals}{'***' if equals and SECRET.search(name.strip()) else value}"
        for name, equals, value in pairs
    )


def frames_in(settings: Any) -> int:
    """The number of frames that settings name, by whichever of the usual names; 0 for none."""
    known = settings if isinstance(settings, Mapping) else arguments_of(settings)
    values = (str(value) for name, value in known.items() if FRAMES.fullmatch(str(name)))
    return next((int(value) for value in values if value.isdecimal() and len(value) < 7), 0)
