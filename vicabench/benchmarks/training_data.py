"""Training data by name: downloaded, pinned to a commit, checked, and unpacked.

As for VSI-Bench, a record with the size of every file is kept beside the data (`fetched.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from vicabench.benchmarks import fetched, hub
from vicabench.benchmarks.fetch import SPARE, exclusive, is_commit, refuse_other
from vicabench.benchmarks.fetched import Fetched
from vicabench.benchmarks.hub import download
from vicabench.benchmarks.paths import cache_dir, is_image, is_video, stays_inside
from vicabench.benchmarks.unpack import unpack
from vicabench.errors import DataError

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """A published set: the files of its repository that are used, and notes.

    A zip named in `archives` is unpacked into the folder beside its name, and deleted.
    """

    repo: str
    wanted: tuple[str, ...]
    archives: dict[str, str]
    note: str = ""


VICA_NOTE = (
    "Its videos are ARKitScenes', ScanNet's and ScanNet++'s, under the terms of those: put those "
    "that did not come with it beside it, as its records name them (arkitscenes/47115148.mp4, "
    "resampled to 1 frame a second), or name their folder with --media."
)
TRAINING_SETS = {
    "vica-322k": TrainingSet(
        repo="nkkbr/ViCA-322K",
        wanted=("*.json", "*.jsonl", "*.mp4"),
        archives={},
        note=VICA_NOTE,
    ),
    "vica-thinking-2.68k": TrainingSet(
        repo="nkkbr/ViCA-thinking-2.68k",
        wanted=("*.json", "*.jsonl", "*.mp4"),
        archives={},
        note=VICA_NOTE,
    ),
    "llava-cc3m": TrainingSet(
        repo="liuhaotian/LLaVA-CC3M-Pretrain-595K",
        wanted=("chat.json", "images.zip"),
        archives={"images.zip": "images"},
    ),
    "llava-onevision": TrainingSet(
        repo="lmms-lab/LLaVA-OneVision-Data",
        wanted=("*/*.parquet",),
        archives={},
        note="Stage 2 of ViCA2 draws a tenth of each of 79 folders: all of those are needed.",
    ),
}
"""Training sets by their names in `vicabench data fetch`."""


def training_folder(name: str) -> Path:
    """Return the default folder of a set."""
    return cache_dir() / "training" / name


def fetched_folder(repo: str) -> Path | None:
    """Return the folder with the downloaded set of this hub id; None without one."""
    name = next((name for name, known in TRAINING_SETS.items() if known.repo == repo), None)
    folder = None if name is None else training_folder(name)
    return folder if folder is not None and fetched.is_finished(folder) else None


def fetch_training(
    name: str,
    *,
    folder: Path,
    repo: str | None = None,
    revision: str | None = None,
    include: str = "*",
    progress: Progress,
) -> Fetched:
    """Download the files of a set that match `include` to `folder`, or complete them.

    Raises:
        DataError: If the folder holds another repository or revision or is in use, the hub
            cannot be reached or refuses, content is damaged, or the disk is too small.
    """
    known = TRAINING_SETS[name]
    with exclusive(folder):
        record = fetched.read(folder)
        repo = repo or (known.repo if record is None else record.repo)
        refuse_other(folder, record, repo, revision)
        if record is not None and revision is None and is_commit(record.revision):
            revision = record.revision
        listing = hub.listing(repo, revision or "main")
        refuse_other(folder, record, repo, listing.revision)
        record = record or Fetched(repo=repo, revision=listing.revision, date=fetched.now())
        wanted = _wanted(listing, known, include)
        owed = [file for file in wanted if not _is_there(folder, record, known, file.name)]
        _require_space(folder, known, owed)
        fetched.write(folder, record, finished=False)
        for file in owed:
            record = _bring(folder, listing, known, file, record, progress)
            fetched.write(folder, record, finished=False)
        fetched.write(folder, record, finished=True)
        with suppress(OSError):  # parts of files that another --include owes stay
            (folder / ".download").rmdir()
        return record


def _wanted(listing: hub.Listing, known: TrainingSet, include: str) -> list[hub.RemoteFile]:
    """Return the files to download, in order; DataError for paths outside the folder."""
    files = [
        file
        for name, file in sorted(listing.files.items())
        if fnmatch(name, include) and any(fnmatch(name, pattern) for pattern in known.wanted)
    ]
    if not files:
        raise DataError(
            f"{listing.repo} at {listing.revision} holds no file that is wanted "
            f"({', '.join(known.wanted)}; --include {include})."
        )
    outside = [file.name for file in files if not stays_inside(file.name)]
    if outside:
        raise DataError(f"{listing.repo} is refused: its file {outside[0]!r} leaves its folder.")
    return files


def _is_there(folder: Path, record: Fetched, known: TrainingSet, name: str) -> bool:
    """Whether a file, or every file of a zip, is recorded and complete."""
    if name not in known.archives:
        size = record.videos.get(name)
        return size is not None and fetched.has_size(folder / name, size)
    home = f"{known.archives[name]}/"
    inside = {n: size for n, size in record.videos.items() if n.startswith(home)}
    return name in record.archives and all(
        fetched.has_size(folder / n, size) for n, size in inside.items()
    )


def _bring(
    folder: Path,
    listing: hub.Listing,
    known: TrainingSet,
    file: hub.RemoteFile,
    record: Fetched,
    progress: Progress,
) -> Fetched:
    """Download one file, unpack it if it is a zip, and add it to the record."""
    (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
    path = download(listing, file.name, folder, lambda done: progress(file.name, done, file.size))
    if file.name not in known.archives:
        return replace(record, videos={**record.videos, file.name: path.stat().st_size})
    home, title, size = known.archives[file.name], f"unpack {file.name}", path.stat().st_size
    target = folder / home
    sizes = unpack(
        path,
        target,
        lambda done: progress(title, done, size),
        wanted=lambda name: is_image(name) or is_video(name),
    )
    path.unlink()
    placed = {f"{home}/{name}": count for name, count in sizes.items()}
    archives = tuple(sorted({*record.archives, file.name}))
    return replace(record, videos={**record.videos, **placed}, archives=archives)


def _require_space(folder: Path, known: TrainingSet, owed: list[hub.RemoteFile]) -> None:
    """Raise DataError if the disk is too small; a zip needs its size twice."""
    need = SPARE + sum(file.size * (1 + (file.name in known.archives)) for file in owed)
    free = shutil.disk_usage(folder).free
    if owed and free < need:
        raise DataError(
            f"The disk of {folder} has {free / 1e9:.1f} GB free, and {need / 1e9:.1f} GB are "
            "needed. Make room, choose another place with --data DIR, or part of it with --include."
        )
