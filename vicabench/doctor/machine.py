"""Cores, memory and room on disks."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from vicabench.doctor.findings import NOTE, WARNING, Finding, size

SECTION = "machine"
CRAMPED = 1_000_000_000  # bytes free; the answers to VSI-Bench take some MB, its videos 5.7 GB
CGROUPS = ("memory.max", "memory/memory.limit_in_bytes")


def machine(folders: Sequence[Path]) -> Iterator[Finding]:
    """Cores, memory, and the free room where runs and caches are written."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding(
        section=SECTION,
        name="cores",
        text=f"{cores} for this process",
        state=NOTE,
        facts={"cores": cores},
    )
    total, free = memory()
    yield Finding(
        section=SECTION,
        name="memory",
        text=f"{_said(total)}, {_said(free)} available",
        state=NOTE,
        facts={"total_bytes": total, "available_bytes": free},
    )
    yield from _disks(folders)


def memory() -> tuple[int | None, int | None]:
    """Bytes of memory that this process may use, and that are available; None for unknown.

    A container's limit counts, where it is smaller than the machine.
    """
    total, free = _of_machine()
    for name in CGROUPS:
        with suppress(OSError, ValueError):
            limit = int((Path("/sys/fs/cgroup") / name).read_text(encoding="ascii"))
            if total is None or limit < total:
                total, free = limit, min(limit, limit if free is None else free)
    return total, free


def _of_machine() -> tuple[int | None, int | None]:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        with suppress(OSError, ValueError, AttributeError):
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), None
        return None, None
    found = {name: int(kilo) << 10 for name, kilo in re.findall(r"(\w+): +(\d+) kB", text)}
    return found.get("MemTotal"), found.get("MemAvailable")


def _said(count: int | None) -> str:
    return "unknown" if count is None else size(count)


def _disks(folders: Sequence[Path]) -> Iterator[Finding]:
    """Each disk once, by the first of the folders that is on it."""
    seen: dict[int, str] = {}
    for folder in folders:
        place = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        if place.stat().st_dev in seen:
            continue
        seen[place.stat().st_dev] = str(place)
        free = shutil.disk_usage(place).free
        yield Finding(
            section=SECTION,
            name="disk",
            text=f"{size(free)} free at {place}",
            state=WARNING if free < CRAMPED else NOTE,
            remedy="Make room: a run that fills the disk stops." if free < CRAMPED else "",
            facts={"folder": str(place), "free_bytes": free},
        )
