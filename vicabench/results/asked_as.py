"""What the configuration of a run says of the preset by which it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vicabench.errors import printable
from vicabench.results.store import ASKED_AS

WITH_MAP = " with-map:"
"""What begins the part of a benchmark's revision that says which maps stand in its questions."""


def asked_as_of(config: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The record of the preset in the content of a `config.json`; None without one."""
    record = config["config"]["adapter"].get(ASKED_AS) if config else None
    return record if isinstance(record, Mapping) else None


def asked_as_note(config: Mapping[str, Any] | None) -> str | None:
    """One line: the preset, how near the run comes to its harness, and why not nearer."""
    record = asked_as_of(config)
    if record is None:
        return None
    why = record.get("why")
    reasons = f" ({'; '.join(map(str, why))})" if why and isinstance(why, list) else ""
    return printable(f"asked as {record.get('preset')}: {record.get('fidelity')}{reasons}")
