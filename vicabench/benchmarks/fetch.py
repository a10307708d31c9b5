"""Download of VSI-Bench: questions first, then each zip, unpacked before the next.

Unpacking immediately limits the disk space needed to the videos and one zip. A record of progress
is kept beside the data (`fetched.py`), so that repeating the command continues the same revision.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from vicabench.benchmarks import fetched, hub, own, vsi_bench
from vicabench.benchmarks.fetched import REPO, Fetched
from vicabench.benchmarks.hub import download, part_path
from vicabench.benchmarks.unpack import unpack
from vicabench.benchmarks.vsi_bench import SUBSET_FILES
from vicabench.errors import DataError, counted

Progress = Callable[[str, int, int], None]
"""Called with the current item (`scannet.zip`), the bytes done and the bytes in total."""

SPARE = 64 << 20
"""Bytes that must stay free on the disk."""


def fetch(
    *,
    folder: Path,
    repo: str | None = None,
    revision: str | None = None,
    questions_only: bool = False,
    keep_zips: bool = False,
    progress: Progress,
) -> Fetched:
    """Download the data set `repo` at `revision` to `folder`, or complete it there.

    Without `repo` and `revision` they are those that the folder has, or else the newest of the
    published data set. When all is there, nothing is asked of the hub.

    Raises:
        DataError: If the folder holds another repository or revision or is in use, the hub
            cannot be reached or refuses, content is damaged, or the disk is too small.
    """
    with exclusive(folder):
        record = fetched.read(folder)
        repo = repo or (REPO if record is None else record.repo)
        refuse_other(folder, record, repo, revision)
        if record is not None and revision in (None, record.revision):
            if _is_complete(folder, record, questions_only):
                return record
            revision = _commit_of(folder, record)
        listing = hub.listing(repo, revision or "main")
        refuse_other(folder, record, repo, listing.revision)
        record = record or Fetched(repo=repo, revision=listing.revision, date=fetched.now())
        record = _bring_questions(folder, listing, record, progress)
        if not questions_only:
            record = _bring_videos(folder, listing, record, keep_zips, progress)
        # Fetching only the questions does not finish an earlier fetch that was interrupted.
        finished = not (questions_only and fetched.is_under_way(folder))
        fetched.write(folder, record, finished=finished)
        if finished:
            shutil.rmtree(folder / ".download", ignore_errors=True)
        return record


def unpack_local(
    *, folder: Path, repo: str | None = None, keep_zips: bool = False, progress: Progress
) -> Fetched:
    """Unpack zips that were copied to `folder` beside the questions, without the hub.

    Without a recorded revision, the digest of the questions file is used.

    Raises:
        DataError: For missing questions, or a missing, damaged or unsafe zip.
    """
    with exclusive(folder):
        record = fetched.read(folder)
        questions = vsi_bench.read_questions(folder)
        if record is None:
            digest = own.digest(questions.file)
            record = Fetched(
                repo=repo or REPO,
                revision=digest,
                date=fetched.now(),
                questions={questions.file.name: digest},
            )
        refuse_other(folder, record, repo or record.repo, None)
        vsi_bench.check_unchanged(questions.file, record)
        vsi_bench.check_count(questions.questions, "full", record.repo)
        for name in _owed(folder, record, _archives(questions)):
            if not (folder / name).is_file():
                raise DataError(
                    f"{folder / name} is missing. Copy it there, or type: "
                    f"{vsi_bench.fetch_command(folder, record)}"
                )
            record = _unpack(folder, name, record, keep_zips, progress)
        _require_all(folder, questions, record)
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


def _commit_of(folder: Path, record: Fetched) -> str:
    """Return the commit to continue with; there is none for zips that were copied by hand."""
    if not is_commit(record.revision):
        raise DataError(
            f"{folder} was unpacked from zips that were copied there, and part of it is missing or "
            f"changed. Copy the zips there again and type: vicabench data unpack {vsi_bench.NAME}"
            f"{vsi_bench.data_option(folder)}; or delete the folder and fetch it."
        )
    return record.revision


def _is_complete(folder: Path, record: Fetched, questions_only: bool) -> bool:
    """Whether the folder is complete, by the sizes of videos and the hash of questions."""
    if not fetched.is_finished(folder) or not _questions_right(folder, record):
        return False
    return questions_only or not _owed(folder, record, _archives(vsi_bench.read_questions(folder)))


def _questions_right(folder: Path, record: Fetched) -> bool:
    return all(
        (folder / name).is_file() and own.digest(folder / name) == digest
        for name, digest in record.questions.items()
    )


def _archives(questions: vsi_bench.QuestionSet) -> tuple[str, ...]:
    """Return the zips that the questions need, one for each part of the data set."""
    return tuple(sorted({f"{q.video.split('/')[0]}.zip" for q in questions.questions}))


def _owed(folder: Path, record: Fetched, archives: tuple[str, ...]) -> tuple[str, ...]:
    """Return the zips that are not unpacked, or whose videos are incomplete."""
    damaged = {f"{name.split('/')[0]}.zip" for name in fetched.damaged(folder, record)}
    return tuple(name for name in archives if name not in record.archives or name in damaged)


def _bring_questions(
    folder: Path, listing: hub.Listing, record: Fetched, progress: Progress
) -> Fetched:
    """Download the questions and the files of the subsets, and check their number."""
    main = next((name for name in vsi_bench.QUESTION_FILES if name in listing.files), None)
    if main is None:
        raise DataError(
            f"{listing.repo} at {listing.revision} is not laid out like VSI-Bench: it has neither "
            f"{' nor '.join(vsi_bench.QUESTION_FILES)}."
        )
    names = (main, *(name for name in SUBSET_FILES if name in listing.files))
    for name in names:
        _download(folder, listing, name, progress)
    digests = {name: own.digest(folder / name) for name in names}
    record = replace(record, questions=digests)
    vsi_bench.check_count(vsi_bench.read_questions(folder).questions, "full", record.repo)
    return record


def _bring_videos(
    folder: Path, listing: hub.Listing, record: Fetched, keep_zips: bool, progress: Progress
) -> Fetched:
    """Download and unpack the missing zips, recording each one once its videos are written."""
    questions = vsi_bench.read_questions(folder)
    owed = _owed(folder, record, _archives(questions))
    _require_space(folder, listing, owed, keep_zips)
    fetched.write(folder, record, finished=False)
    for name in owed:
        _download(folder, listing, name, progress)
        record = _unpack(folder, name, record, keep_zips, progress)
        fetched.write(folder, record, finished=False)
    _require_all(folder, questions, record)
    return record


def _download(folder: Path, listing: hub.Listing, name: str, progress: Progress) -> None:
    size = listing.files[name].size if name in listing.files else 0
    download(listing, name, folder, lambda done: progress(name, done, size))


def _unpack(
    folder: Path, name: str, record: Fetched, keep_zips: bool, progress: Progress
) -> Fetched:
    """Unpack one zip, and return the record with its videos added."""
    archive = folder / name
    size = archive.stat().st_size
    videos = unpack(archive, folder, lambda done: progress(f"unpack {name}", done, size))
    if not keep_zips:
        archive.unlink()
    archives = tuple(sorted({*record.archives, name}))
    return replace(record, videos={**record.videos, **videos}, archives=archives)


def _require_all(folder: Path, questions: vsi_bench.QuestionSet, record: Fetched) -> None:
    """Raise DataError if a video that a question needs is in none of the zips."""
    videos = sorted({f"{question.video}.mp4" for question in questions.questions})
    missing = [name for name in videos if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{record.repo} at {record.revision} is incomplete: its zips lack "
            f"{len(missing)} of {counted(len(videos), 'video')}, for example {missing[0]}."
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
    zips = sum(sizes) if keep_zips else max(sizes)
    need, free = sum(sizes) + zips - existing + SPARE, shutil.disk_usage(folder).free
    if free < need:
        raise DataError(
            f"The disk of {folder} has {free / 1e9:.1f} GB free, and {need / 1e9:.1f} GB are "
            "needed. Make room, or choose another place with --data DIR."
        )


def _begun(folder: Path, archive: hub.RemoteFile) -> list[Path]:
    """Return what exists of a zip: the zip or its beginning, and its unpacked videos."""
    zips = (part_path(folder, archive), folder / archive.name)
    videos = (folder / Path(archive.name).stem).glob("*.mp4")
    return [path for path in (*zips, *videos) if path.is_file()]
