"""The record of the content of a downloaded folder: `fetched.json`.

While a fetch is under way the same record stands in `fetching.json`, so that an interrupted one
continues with the very revision that it began with. `fetched.json` is written last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from vicabench import files
from vicabench.errors import DataError

REPO = "nyu-visionx/VSI-Bench"
"""The published data set, whose number of questions is checked."""

DONE, UNDER_WAY = "fetched.json", "fetching.json"


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """The origin of a folder's content; `revision` is a commit, or else a digest.

    `questions` has the SHA-256 of every questions file, `videos` the size in bytes of every
    unpacked video, `archives` the zips all of whose videos are there, `held` the zip that each
    video came in, `subsets` the number of questions of each subset that was asked for. `date` is
    ISO 8601, UTC.
    """

    repo: str
    revision: str
    date: str
    questions: Mapping[str, str] = field(default_factory=dict)
    videos: Mapping[str, int] = field(default_factory=dict)
    archives: tuple[str, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict)
    subsets: Mapping[str, int] = field(default_factory=dict)


def now() -> str:
    """Return the current time for `Fetched.date`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read(folder: Path) -> Fetched | None:
    """Return the record of `folder`, finished or not; None without a record.

    Raises:
        DataError: If the record cannot be read.
    """
    path = next((folder / name for name in (UNDER_WAY, DONE) if (folder / name).is_file()), None)
    if path is None:
        return None
    try:
        values = json.loads(files.read(path))
        return Fetched(**{**values, "archives": tuple(values["archives"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path} cannot be read ({error}). Delete it, and `vicabench data fetch NAME --data "
            f"{folder}` checks the files of the data set NAME again."
        ) from None


def write(folder: Path, record: Fetched, *, finished: bool) -> None:
    """Write `record` beside the data atomically; a finished one replaces the unfinished one."""
    target = folder / (DONE if finished else UNDER_WAY)
    files.write(target, json.dumps(asdict(record), indent=1))
    if finished:
        (folder / UNDER_WAY).unlink(missing_ok=True)


def is_finished(folder: Path) -> bool:
    """Whether the last fetch into `folder` finished."""
    return (folder / DONE).is_file() and not is_under_way(folder)


def is_under_way(folder: Path) -> bool:
    """Whether a fetch into `folder` was started and has not finished."""
    return (folder / UNDER_WAY).exists()


def damaged(folder: Path, record: Fetched) -> list[str]:
    """Return the recorded videos that are missing or have another size."""
    return [name for name, size in record.videos.items() if not has_size(folder / name, size)]


def has_size(path: Path, size: int) -> bool:
    """Whether `path` is a file of `size` bytes."""
    return path.is_file() and path.stat().st_size == size
