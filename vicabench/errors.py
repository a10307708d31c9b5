"""Errors that a user can fix, and the wording and escaping of text for people."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vica.errors import an, counted

__all__ = [
    "LFS_POINTER",
    "ConfigError",
    "DataError",
    "RunFolderError",
    "UserError",
    "an",
    "counted",
    "csv_text",
    "is_unicode",
    "printable",
]


class UserError(Exception):
    """Something the user can put right; the command line prints it without a traceback."""


class DataError(UserError):
    """A benchmark, a questions file or a predictions file is missing, incomplete or malformed."""


class ConfigError(UserError):
    """An option, a model name or a combination of the two that cannot be run."""


class RunFolderError(UserError):
    """A run folder that is in use, belongs to another configuration, or cannot be written."""


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a formula may begin; the last are the wide `=`, `+`, `-` and `@` of East Asian keyboards."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LFS_POINTER = "version https://git-lfs.github.com/spec/"
"""How the text begins that a clone without Git LFS has in place of a large file."""


def is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8; what else is typed comes as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """The text with control characters, which a terminal would obey, shown as `?`.

    Newlines stay: they order a message, and cannot do more than that.
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A table as CSV with its header, a line each; what a row lacks is left empty.

    A text that a spreadsheet would take for a formula, and run, has an apostrophe before it. pandas
    would not do that, nor save a line here, and costs half a second at every start.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    return value if NUMBER.fullmatch(value) else f"'{value}"
