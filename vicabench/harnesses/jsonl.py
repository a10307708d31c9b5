"""Any JSON Lines file, with a table of which of its columns are ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vicabench.errors import ConfigError, DataError
from vicabench.harnesses.rows import Record, Source, each, json_lines

COLUMNS = (
    "id", "video", "dataset", "scene_name", "question_type", "question", "options",
    "ground_truth", "response", "parts", "error", "stop", "prompt_tokens", "new_tokens", "seconds",
    "usage", "model",
)  # fmt: skip


def columns_from(pairs: Iterable[str]) -> dict[str, str]:
    """Parse pairs like `response=model.output` into a mapping from our columns to theirs.

    Raises:
        ConfigError: A pair is malformed, or names an unknown column or one of ours twice.
    """
    columns: dict[str, str] = {}
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not equals or ours not in COLUMNS or not theirs or ours in columns:
            raise ConfigError(
                f"--column {pair} is not OURS=THEIRS, or names one of OURS twice. OURS is one of "
                f"{', '.join(COLUMNS)}."
            )
        columns[ours] = theirs
    return columns


def read(path: Path, columns: Mapping[str, str]) -> Source:
    """Read a file; columns that `columns` does not map have our names.

    A dot denotes a member: `model.output` is the member `output` of the object `model`.
    """

    def record(row: Record) -> Record:
        names = {ours: columns.get(ours, ours) for ours in COLUMNS}
        if absent := [name for name in columns.values() if not _has(row, name)]:
            raise DataError(f"it has no column {', '.join(absent)}.")
        return {ours: _member(row, name) for ours, name in names.items() if _has(row, name)}

    details = {"columns": dict(columns)}
    return Source(harness="jsonl", file=path, rows=each(json_lines(path), record), details=details)


def _has(row: Record, name: str) -> bool:
    if name in row:
        return True
    outer, dot, inner = name.partition(".")
    member = row.get(outer)
    return bool(dot) and isinstance(member, Mapping) and _has(member, inner)


def _member(row: Record, name: str) -> Any:
    if name in row:
        return row[name]
    outer, _, inner = name.partition(".")
    return _member(row[outer], inner)
