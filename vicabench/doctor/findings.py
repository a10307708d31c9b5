"""What the doctor finds: a line each, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OK, NOTE, WARNING, BROKEN = "ok", "note", "warning", "broken"
"""A finding is as it should be; worth knowing; in somebody's way; or keeps vicabench from working.
"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at: what it is like, and what to do about it if that is bad.

    `state` is one of those above, `facts` are the figures behind the text, in JSON values.
    """

    section: str
    name: str
    text: str
    state: str = OK
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def size(count: int) -> str:
    """Bytes in the unit that suits them, by powers of 1000 as disks are sold: `17.2 GB`."""
    number, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while number >= 999.5 and len(units) > 1:
        number /= 1000
        units.pop(0)
    return (
        f"{number:.0f} {units[0]}"
        if number >= 100 or units[0] == "B"
        else f"{number:.1f} {units[0]}"
    )
