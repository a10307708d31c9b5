"""Where downloads and what was built are kept, and how much room they take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from vicabench.benchmarks.paths import cache_dir
from vicabench.doctor.findings import NOTE, Finding, size

SECTION = "caches"
LIMIT_SECONDS = 2.0
FRAME_CACHE = "decoded frames are kept where --frame-cache DIR says, and nowhere else"


def hub_cache() -> Path:
    """Where huggingface_hub keeps downloads, without importing it (`HF_HUB_CACHE`, `HF_HOME`)."""
    caches_of_user = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{caches_of_user}/huggingface"
    return Path(os.path.expandvars(os.environ.get("HF_HUB_CACHE") or f"{home}/hub")).expanduser()


def caches(frame_cache: Path | None) -> Iterator[Finding]:
    """Each cache: its place, and the bytes in it."""
    yield _cache("hub", hub_cache(), "HF_HOME or HF_HUB_CACHE moves it")
    yield _cache("vicabench", cache_dir(), "VICABENCH_CACHE moves it")
    if frame_cache is None:
        yield Finding(section=SECTION, name="frames", text=FRAME_CACHE, state=NOTE)
    else:
        yield _cache("frames", frame_cache, "--frame-cache")


def _cache(name: str, folder: Path, how: str) -> Finding:
    count, whole = _bytes(folder)
    said = "empty" if whole and not count else size(count) + ("" if whole else " and more")
    return Finding(
        section=SECTION,
        name=name,
        text=f"{said} in {folder} ({how})",
        state=NOTE,
        facts={"folder": str(folder), "bytes": count, "counted_all": whole},
    )


def _bytes(folder: Path) -> tuple[int, bool]:
    """The bytes of the files in a folder, without links; False if there was no time for all."""
    total, end = 0, monotonic() + LIMIT_SECONDS
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:  # gone meanwhile
                continue
        if monotonic() > end:
            return total, False
    return total, True
