"""A finding of the doctor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OK, NOTE, WARNING, BROKEN = "ok", "note", "warning", "broken"
"""All is well; worth knowing; a problem for some uses; vicabench does not work at all."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One examined thing: its state, and a remedy if there is a problem.

    `state` is one of the constants above; `facts` are the data behind the text, as JSON values.
    """

    section: str
    name: str
    text: str
    state: str = OK
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def size(count: int) -> str:
    """Bytes in a suitable decimal unit, as disks are sold: `17.2 GB`."""
    number, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while number >= 999.5 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return (
        f"{number:.0f} {units[0]}"
        if number >= 100 or units[0] == "B"
        else f"{number:.1f} {units[0]}"
    )
