"""Run folders below a folder, in natural order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vicabench import files
from vicabench.benchmarks.descriptions import DESCRIPTION
from vicabench.errors import DataError
from vicabench.results.store import CONFIG, PREDICTIONS


def natural(path: Path) -> tuple[tuple[tuple[bool, int, str], ...], ...]:
    """The key of the order in which `run-2` comes before `run-10`."""
    return tuple(
        tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in pieces)
        for pieces in (re.split(r"([0-9]+)", name.casefold()) for name in path.parts)
    )


def folders_below(folder: Path) -> list[Path]:
    """The run folders in a folder, at any depth, also those without an answer yet.

    Raises:
        DataError: There is none.
    """
    found = {file.parent for file in folder.rglob(PREDICTIONS)}
    found |= {file.parent for file in folder.rglob(CONFIG) if _plan(file)}
    if not found:
        raise DataError(
            f"{folder} holds no run: no folder in it has a {PREDICTIONS}. "
            "Name a run folder, or a folder with run folders in it."
        )
    return sorted(found, key=natural)


def is_run(path: Path) -> bool:
    """Whether a folder is a run folder itself, or a path leads to a file or to nothing."""
    return not path.is_dir() or (path / PREDICTIONS).exists() or bool(_plan(path / CONFIG))


def expanded(paths: Iterable[Path], *, descriptions: bool = False) -> list[Path]:
    """The paths, with the runs below each folder that is not a run folder itself.

    Runs of descriptions, which no protocol can grade, are left out there unless asked for.

    Raises:
        DataError: A folder holds no run.
    """
    result: list[Path] = []
    for path in paths:
        result += [path] if is_run(path) else graded_below(path, descriptions=descriptions)
    return result


def graded_below(folder: Path, *, descriptions: bool = False) -> Sequence[Path]:
    """The run folders below a folder, without those of descriptions unless asked for.

    Raises:
        DataError: There is none.
    """
    found = folders_below(folder)
    kept = [each for each in found if descriptions or DESCRIPTION not in _kinds(each)]
    if not kept:
        raise DataError(f"{folder} holds only descriptions of videos, which cannot be graded.")
    return kept


def _kinds(folder: Path) -> set[object]:
    videos = _plan(folder / CONFIG).get("videos")
    asked = videos.values() if isinstance(videos, dict) else ()
    return {kind for each in asked if isinstance(each, dict) for kind in each.values()}


def _plan(file: Path) -> dict[str, object]:
    """What a run's configuration planned; empty for any other file."""
    try:
        content = json.loads(files.read(file))
    except (OSError, ValueError, RecursionError):
        return {}
    plan = content.get("plan") if isinstance(content, dict) else None
    return plan if isinstance(plan, dict) else {}
