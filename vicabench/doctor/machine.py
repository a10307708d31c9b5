"""Cores, memory, disk space, caches, and whether the hub answers."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

from vicabench.benchmarks.hub import check_endpoint, host
from vicabench.benchmarks.paths import cache_dir
from vicabench.doctor.findings import NOTE, OK, WARNING, Finding, size
from vicabench.errors import ConfigError

SECTION = "machine"
CRAMPED = 1_000_000_000  # free bytes; the answers to VSI-Bench take some MB, its videos 5.7 GB
CGROUPS = ("memory.max", "memory/memory.limit_in_bytes")


def machine(folders: Sequence[Path]) -> Iterator[Finding]:
    """Cores, memory, and the free disk space where runs and caches are written."""
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
    """The memory that this process may use and that is available, in bytes; None if unknown.

    The limit of a container counts if it is smaller than the machine's memory.
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
    amounts = {name: int(kilo) << 10 for name, kilo in re.findall(r"(\w+): +(\d+) kB", text)}
    return amounts.get("MemTotal"), amounts.get("MemAvailable")


def _said(count: int | None) -> str:
    return "unknown" if count is None else size(count)


def _disks(folders: Sequence[Path]) -> Iterator[Finding]:
    """The free space of every disk that holds one of the folders."""
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
            remedy="Free some space: a run stops when the disk is full." if free < CRAMPED else "",
            facts={"folder": str(place), "free_bytes": free},
        )


CACHES = "caches"
CACHES_SECONDS = 2.0
FRAME_CACHE = "decoded frames are cached only if --frame-cache DIR is given"


def hub_cache() -> Path:
    """The cache of huggingface_hub (`HF_HUB_CACHE`, `HF_HOME`), without importing it, for speed."""
    caches_of_user = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{caches_of_user}/huggingface"
    return Path(os.path.expandvars(os.environ.get("HF_HUB_CACHE") or f"{home}/hub")).expanduser()


def caches(frame_cache: Path | None) -> Iterator[Finding]:
    """The place and the size of each cache."""
    yield _cache("hub", hub_cache(), "HF_HOME or HF_HUB_CACHE moves it")
    yield _cache("vicabench", cache_dir(), "VICABENCH_CACHE moves it")
    if frame_cache is None:
        yield Finding(section=CACHES, name="frames", text=FRAME_CACHE, state=NOTE)
    else:
        yield _cache("frames", frame_cache, "--frame-cache")


def _cache(name: str, folder: Path, how: str) -> Finding:
    count, whole = _bytes(folder)
    amount = "empty" if whole and not count else size(count) + ("" if whole else " or more")
    return Finding(
        section=CACHES,
        name=name,
        text=f"{amount} in {folder} ({how})",
        state=NOTE,
        facts={"folder": str(folder), "bytes": count, "counted_all": whole},
    )


def _bytes(folder: Path) -> tuple[int, bool]:
    """The bytes of the files in a folder, not following links; False if time ran out."""
    total, end = 0, monotonic() + CACHES_SECONDS
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:  # deleted meanwhile
                continue
        if monotonic() > end:
            return total, False
    return total, True


HUB = "hub"
HUB_SECONDS = 10.0
PAGE = "api/models/nkkbr/ViCA2"
OFFLINE = "Rooms, --model vica2-rooms and everything in the cache work without it."


def hub() -> Iterator[Finding]:
    """Whether the hub can be reached within a few seconds, and whether a token is set."""
    try:
        check_endpoint()
    except ConfigError as error:
        yield Finding(section=HUB, name="address", text=str(error), state=WARNING)
        return
    from huggingface_hub import constants, get_token  # noqa: PLC0415  (half a second)

    yield _offline() if constants.HF_HUB_OFFLINE else _reached(f"{constants.ENDPOINT}/{PAGE}")
    is_set = get_token() is not None
    text = "set" if is_set else "not set; public repositories do not need one"
    yield Finding(section=HUB, name="token", text=text, state=NOTE, facts={"set": is_set})


def _offline() -> Finding:
    return Finding(
        section=HUB,
        name="address",
        text=f"{host()} was not tried: HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set. {OFFLINE}",
        state=NOTE,
        facts={"host": host(), "reached": None},
    )


def _reached(url: str) -> Finding:
    try:
        status = _status(url)
        problem = None if status < 400 else f"answers HTTP {status}, which a hub does not"
    except LateError:
        problem = f"does not answer within {HUB_SECONDS:g} seconds"
    except Exception as error:  # from the network, a proxy, certificates
        # Only its type: the message may repeat the address, which may contain a password.
        problem = f"cannot be reached ({type(error).__name__})"
    return Finding(
        section=HUB,
        name="address",
        text=f"{host()} {problem}. {OFFLINE}" if problem else f"{host()} answers",
        state=WARNING if problem else OK,
        remedy="Check the network, the proxy and HF_ENDPOINT." if problem else "",
        facts={"host": host(), "reached": problem is None},
    )


def _status(url: str) -> int:
    """The HTTP status of the answer; raises LateError after `HUB_SECONDS`.

    The request runs in a thread because its own time limit does not cover name resolution.
    """
    from huggingface_hub import get_session  # noqa: PLC0415

    status: Future[int] = Future()

    def ask() -> None:
        try:
            session: Any = get_session()
            status.set_result(session.head(url, timeout=HUB_SECONDS).status_code)
        except Exception as error:
            status.set_exception(error)

    Thread(target=ask, daemon=True).start()
    return status.result(timeout=HUB_SECONDS + 1)
