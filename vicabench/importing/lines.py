"""JSON Lines, line by line: a line that is not JSON is an error of that line alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from vicabench.errors import DataError
from vicabench.importing.rows import Record, Row


def json_lines(path: Path) -> Iterator[Row]:
    """Yield `("line 3", object)` for every line that is not blank, a DataError for a bad one.

    DataError, raised, where the file cannot be read at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield f"line {number}", _object(line)


def _object(line: bytes) -> Record | DataError:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return DataError(f"it is not JSON ({error}).")
    return value if isinstance(value, dict) else DataError("it is not a JSON object.")
