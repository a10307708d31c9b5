"""Errors that a user can fix, and the wording and escaping of text."""

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
    "did_you_mean",
    "inert",
    "is_unicode",
    "printable",
    "similar",
]


class UserError(Exception):
    """A problem that the user can fix; the command line prints it without a traceback."""


class DataError(UserError):
    """A benchmark, a questions file or a predictions file is missing, incomplete or malformed."""


class ConfigError(UserError):
    """An option, a model name or a combination of the two that cannot be run."""


class RunFolderError(UserError):
    """A run folder that is in use, belongs to another configuration, or cannot be written."""


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How formulas begin; the last four are full-width `=`, `+`, `-` and `@`."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LFS_POINTER = "version https://git-lfs.github.com/spec/"
"""The beginning of the text that a clone without Git LFS has in place of a large file."""


def is_unicode(text: str) -> bool:
    """Whether the text can be encoded as UTF-8: undecodable arguments contain lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """The text with control characters, which a terminal would obey, replaced by `?`.

    Newlines stay: they structure a message and are harmless.
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def similar(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most similar, ignoring case; None if none is."""
    from difflib import get_close_matches  # noqa: PLC0415  (for mistakes alone)

    folded = {one.casefold(): one for one in known}
    near = get_close_matches(name.strip().casefold(), folded, n=1)
    return folded[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str], *, before: str = "", after: str = "") -> str:
    """A sentence, after a space, that suggests the most similar known name; empty if none is.

    The suggestion is shown between `before` and `after`.
    """
    near = similar(name, known)
    return "" if near is None else f" Did you mean {before}{near}{after}?"


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A table as CSV with a header, one line per row; missing cells are empty.

    Text that a spreadsheet would execute as a formula gets a leading apostrophe. pandas does not do
    that, would save no line here, and takes most of a second to import.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: inert(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def inert(value: Any) -> Any:
    """The value; text that a spreadsheet would execute as a formula gets a leading apostrophe."""
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    return value if NUMBER.fullmatch(value) else f"'{value}"
