"""Download of a benchmark: questions first, then each zip, unpacked before the next.

Unpacking immediately limits the disk space needed to the videos and one zip. A record of progress
is kept beside the data (`fetched.py`), so that repeating the command continues the same revision.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from filelock import FileLock, Timeout

from vicabench.benchmarks import fetched, hub, own
from vicabench.benchmarks.fetched import Fetched
from vicabench.benchmarks.hub import Listing, download, part_path
from vicabench.benchmarks.paths import stays_inside
from vicabench.benchmarks.unpack import unpack
from vicabench.errors import DataError, counted

Progress = Callable[[str, int, int], None]
"""Called with the current item (`scannet.zip`), the bytes done and the bytes in total."""

SPARE = 64 << 20
"""Bytes that must stay free on the disk."""
SAVED_EVERY = 50
"""Videos between two writings of the record, where they are not in zips."""


class Layout(Protocol):
    """The files of a benchmark, or of one of its subsets."""

    @property
    def name(self) -> str:
        """The name of the benchmark on the command line."""

    @property
    def repo(self) -> str:
        """The published repository."""

    @property
    def revision(self) -> str:
        """The revision of the published repository that is fetched by default."""

    @property
    def advice(self) -> str:
        """The end of a message that refuses a data set which lacks videos."""

    @property
    def folder(self) -> Path:
        """The default folder."""

    def tables(self, listing: Listing) -> tuple[str, ...]:
        """The files that hold questions; DataError for a repository of another layout."""

    def tables_in(self, folder: Path) -> tuple[str, ...]:
        """The same files in a folder; DataError without any."""

    def check(self, folder: Path, record: Fetched) -> dict[str, int]:
        """The number of questions of the subset; DataError if they are not what is assumed."""

    def owed(self, folder: Path, record: Fetched, files: Collection[str] | None) -> tuple[str, ...]:
        """What of `files` has to be brought: zips to unpack, and videos.

        `None` stands for a repository that is not asked: empty means that nothing is missing.
        """

    def wanted(self, folder: Path) -> Callable[[str], bool] | None:
        """Which members of a zip are unpacked; None for its videos in a folder of its name."""

    def missing(self, folder: Path, record: Fetched) -> tuple[list[str], int]:
        """The videos of questions that are not in the folder, and the number of all."""

    def command(self, folder: Path, record: Fetched | None = None, verb: str = "fetch") -> str:
        """The command that brings, or with `unpack` unpacks, the data into a folder."""


@runtime_checkable
class Fetchable(Protocol):
    """A benchmark whose data can be downloaded."""

    def layout(self, subset: str) -> Layout:
        """The layout of a subset, `full` for the default; ConfigError for an unknown one."""


def fetch(
    layout: Layout,
    *,
    folder: Path,
    repo: str | None = None,
    revision: str | None = None,
    questions_only: bool = False,
    keep_zips: bool = False,
    progress: Progress,
) -> Fetched:
    """Download the data set `repo` at `revision` to `folder`, or complete it there.

    Without `repo` and `revision` they are those that the folder has, or else the published ones of
    the layout. When all is there, nothing is asked of the hub.

    Raises:
        DataError: If the folder holds another repository or revision or is in use, the hub
            cannot be reached or refuses, content is damaged, or the disk is too small.
    """
    with exclusive(folder):
        record = fetched.read(folder)
        repo = repo or (layout.repo if record is None else record.repo)
        refuse_other(folder, record, repo, revision)
        if record is not None and revision in (None, record.revision):
            if _is_complete(layout, folder, record, questions_only):
                return record
            revision = _commit_of(layout, folder, record)
        default = layout.revision if repo == layout.repo else "main"
        listing = hub.listing(repo, revision or default)
        refuse_other(folder, record, repo, listing.revision)
        record = record or Fetched(repo=repo, revision=listing.revision, date=fetched.now())
        record = _bring_questions(layout, folder, listing, record, progress)
        if not questions_only:
            record = _bring_videos(layout, folder, listing, record, keep_zips, progress)
        # Fetching only the questions does not finish an earlier fetch that was interrupted.
        finished = not (questions_only and fetched.is_under_way(folder))
        fetched.write(folder, record, finished=finished)
        if finished:
            shutil.rmtree(folder / ".download", ignore_errors=True)
        return record


def unpack_local(
    layout: Layout,
    *,
    folder: Path,
    repo: str | None = None,
    keep_zips: bool = False,
    progress: Progress,
) -> Fetched:
    """Unpack zips that were copied to `folder` beside the questions, without the hub.

    Without a recorded revision, the digest of the questions file is used.

    Raises:
        DataError: For missing questions, or a missing, damaged or unsafe zip.
    """
    with exclusive(folder):
        record = fetched.read(folder)
        if record is None:
            digests = own.digests(folder, layout.tables_in(folder))
            record = Fetched(
                repo=repo or layout.repo,
                revision=own.digest_of_all(digests),
                date=fetched.now(),
                questions=digests,
            )
        refuse_other(folder, record, repo or record.repo, None)
        record = replace(record, subsets={**record.subsets, **layout.check(folder, record)})
        zips = {path.relative_to(folder).as_posix() for path in folder.rglob("*.zip")}
        for name in layout.owed(folder, record, zips):
            if not (folder / name).is_file():
                raise DataError(
                    f"{folder / name} is missing. Copy it there, or type: "
                    f"{layout.command(folder, record)}"
                )
            record = _unpack(layout, folder, name, record, keep_zips, progress)
        _require_all(layout, folder, record)
        fetched.write(folder, record, finished=True)
        return record


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock `folder` against a second fetch, and explain disk errors."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".fetch.lock", timeout=0):
            yield
    except Timeout:
        raise DataError(
            f"Another fetch into {folder} is running. Wait until it has finished."
        ) from None
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DataError(
                f"The disk of {folder} is full. Make room, or choose another place with --data "
                "DIR, and repeat the same command: what was done is kept."
            ) from None
        raise DataError(f"{folder} cannot be written: {error}.") from None


def refuse_other(folder: Path, record: Fetched | None, repo: str, revision: str | None) -> None:
    """Refuse to mix repositories or commits in one folder; branches are checked once resolved."""
    if record is None:
        return
    other_commit = revision is not None and is_commit(revision) and revision != record.revision
    if record.repo != repo or other_commit:
        wanted = f"{repo} at {revision}" if other_commit else repo
        raise DataError(
            f"{folder} holds {record.repo} at {record.revision}, but {wanted} was requested. Fetch "
            f"it into another folder with --data DIR, or delete {folder} first."
        )


def is_commit(revision: str) -> bool:
    """Whether a revision is the full hash of a commit."""
    return len(revision) == 40 and set(revision) <= set("0123456789abcdef")


def _commit_of(layout: Layout, folder: Path, record: Fetched) -> str:
    """Return the commit to continue with; there is none for zips that were copied by hand."""
    if not is_commit(record.revision):
        raise DataError(
            f"{folder} was unpacked from zips that were copied there, and part of it is missing or "
            f"changed. Copy the zips there again and type: "
            f"{layout.command(folder, verb='unpack')}; or delete the folder and fetch it."
        )
    return record.revision


def _is_complete(layout: Layout, folder: Path, record: Fetched, questions_only: bool) -> bool:
    """Whether the folder is complete, by the sizes of videos and the hash of questions."""
    if not fetched.is_finished(folder) or not _questions_right(folder, record):
        return False
    if not set(layout.tables_in(folder)) <= set(record.questions):
        return False
    return questions_only or not layout.owed(folder, record, None)


def _questions_right(folder: Path, record: Fetched) -> bool:
    return all(
        (folder / name).is_file() and own.digest(folder / name) == digest
        for name, digest in record.questions.items()
    )


def _bring_questions(
    layout: Layout, folder: Path, listing: hub.Listing, record: Fetched, progress: Progress
) -> Fetched:
    """Download the questions and the files of the subsets, and check them."""
    for name in (names := layout.tables(listing)):
        _download(folder, listing, name, progress)
    digests = own.digests(folder, names)
    record = replace(record, questions={**record.questions, **digests})
    return replace(record, subsets={**record.subsets, **layout.check(folder, record)})


def _bring_videos(
    layout: Layout,
    folder: Path,
    listing: hub.Listing,
    record: Fetched,
    keep_zips: bool,
    progress: Progress,
) -> Fetched:
    """Download the missing videos, and the zips that hold them, recording each once it is there."""
    owed = layout.owed(folder, record, listing.files.keys())
    _require_space(folder, listing, owed, keep_zips)
    fetched.write(folder, record, finished=False)
    for number, name in enumerate(owed, start=1):
        _download(folder, listing, name, progress)
        if is_zip(name):
            record = _unpack(layout, folder, name, record, keep_zips, progress)
        else:
            sizes = {**record.videos, name: (folder / name).stat().st_size}
            record = replace(record, videos=sizes)
        if is_zip(name) or number % SAVED_EVERY == 0 or number == len(owed):
            fetched.write(folder, record, finished=False)
    _require_all(layout, folder, record)
    return record


def is_zip(name: str) -> bool:
    """Whether a file is unpacked."""
    return name.endswith(".zip")


def _download(folder: Path, listing: hub.Listing, name: str, progress: Progress) -> None:
    if not stays_inside(name):
        raise DataError(f"{listing.repo} is refused: its file {name!r} leaves its folder.")
    size = listing.files[name].size if name in listing.files else 0
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    download(listing, name, folder, lambda done: progress(name, done, size))


def _unpack(
    layout: Layout, folder: Path, name: str, record: Fetched, keep_zips: bool, progress: Progress
) -> Fetched:
    """Unpack one zip, and return the record with its videos added."""
    archive = folder / name
    size = archive.stat().st_size
    title = f"unpack {name}"
    videos = unpack(
        archive, folder, lambda done: progress(title, done, size), wanted=layout.wanted(folder)
    )
    if not keep_zips:
        archive.unlink()
    return replace(
        record,
        videos={**record.videos, **videos},
        archives=tuple(sorted({*record.archives, name})),
        held={**record.held, **dict.fromkeys(videos, name)},
    )


def _require_all(layout: Layout, folder: Path, record: Fetched) -> None:
    """Raise DataError if a video that a question needs was not among the files."""
    missing, total = layout.missing(folder, record)
    if missing:
        raise DataError(
            f"{record.repo} at {record.revision} is incomplete: its zips lack "
            f"{len(missing)} of {counted(total, 'video')}, for example {missing[0]}.{layout.advice}"
        )


def _require_space(
    folder: Path, listing: hub.Listing, owed: tuple[str, ...], keep_zips: bool
) -> None:
    """Raise DataError if the disk is too small for the videos and the zips that are kept."""
    remote = [listing.files[name] for name in owed if name in listing.files]
    sizes = [file.size for file in remote]
    if not sizes:
        return
    existing = sum(path.stat().st_size for file in remote for path in _begun(folder, file))
    packed = [file.size for file in remote if is_zip(file.name)]
    zips = sum(packed) if keep_zips else max(packed, default=0)
    need, free = sum(sizes) + zips - existing + SPARE, shutil.disk_usage(folder).free
    if free < need:
        raise DataError(
            f"The disk of {folder} has {free / 1e9:.1f} GB free, and {need / 1e9:.1f} GB are "
            "needed. Make room, or choose another place with --data DIR."
        )


def _begun(folder: Path, archive: hub.RemoteFile) -> list[Path]:
    """Return what exists of a zip: the zip or its beginning, and its unpacked videos."""
    zips = (part_path(folder, archive), folder / archive.name)
    videos = (folder / Path(archive.name).stem).glob("*.mp4") if is_zip(archive.name) else ()
    return [path for path in (*zips, *videos) if path.is_file()]
