"""The whole examination: its parts run in parallel and report in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vicabench.benchmarks.paths import cache_dir
from vicabench.doctor.decoders import decoders
from vicabench.doctor.devices import devices
from vicabench.doctor.findings import WARNING, Finding
from vicabench.doctor.machine import caches, hub, hub_cache, machine
from vicabench.doctor.software import extras, software

Part = Callable[[], Iterable[Finding]]


def examine(frame_cache: Path | None = None) -> Iterator[Finding]:
    """All findings, section by section; an error in one part does not affect the others."""
    folders = [Path.cwd(), hub_cache(), cache_dir(), *([frame_cache] if frame_cache else [])]
    parts: dict[str, Part] = {
        "software": software,
        "machine": lambda: machine(folders),
        "devices": devices,
        "decoders": decoders,
        "hub": hub,
        "caches": lambda: caches(frame_cache),
        "extras": extras,
    }
    with ThreadPoolExecutor(len(parts)) as threads:
        futures = [threads.submit(_listed, name, part) for name, part in parts.items()]
        for future in futures:
            yield from future.result()


def _listed(name: str, part: Part) -> list[Finding]:
    try:
        return list(part())
    except Exception as error:  # a broken machine can raise anything here
        text = f"could not be examined: {type(error).__name__}: {error}"
        return [Finding(section=name, name=name, text=text, state=WARNING)]
