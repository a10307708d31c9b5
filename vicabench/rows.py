"""Rows in memory, a list of dicts or a pandas DataFrame, as plain JSON values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from vicabench.errors import ConfigError


def plain_rows(rows: Any) -> list[dict[str, Any]]:
    """Rows as dicts of JSON values, None where a table has no value; ConfigError for no rows."""
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # a DataFrame, without importing it
        rows = rows.to_dict("records")
    if isinstance(rows, Mapping | str) or not isinstance(rows, Iterable):
        raise ConfigError(f"Rows are a list of dicts or a DataFrame, not {type(rows).__name__}.")
    plain = []
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ConfigError(f"Row {number} is of type {type(row).__name__}, not dict.")
        plain.append({str(key): _plain(value) for key, value in row.items()})
    return plain


def _plain(value: Any) -> Any:
    """A cell as JSON has it: numpy's scalars and arrays as Python's, NaN and NaT as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if value is None or value != value:  # noqa: PLR0124  (NaN, and pandas' other missing values)
        return None
    if isinstance(value, str | int | float | bool):
        return value
    try:
        json.dumps(value)
    except TypeError:
        return str(value)
    return value
