"""Safe unpacking of zips: only complete videos, only below one folder.

All members are checked before the first is written. A video is written under a temporary name,
synced and renamed, so that a file with the final name is complete.
"""

from __future__ import annotations

import errno
import lzma
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from vicabench import files
from vicabench.benchmarks.fetched import has_size
from vicabench.benchmarks.paths import is_video, stays_inside
from vicabench.errors import DataError, counted

LARGEST_RATIO = 10
"""Maximum growth of a zip when unpacked, as videos and images hardly compress."""

BLOCK = 1 << 20
PART = ".part"
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, ValueError, struct.error),
)
"""All exceptions that zipfile raises while reading a damaged member."""


def unpack(
    archive: Path,
    folder: Path,
    advance: Callable[[int], None],
    *,
    wanted: Callable[[str], bool] | None = None,
) -> dict[str, int]:
    """Write the videos of `archive` that are in its own folder (`scannet/` for `scannet.zip`).

    With `wanted`, write instead all members whose names it accepts; they are synced to the disk
    together at the end, as they may be many. Existing files of the right size are kept. `advance`
    gets the number of the zip's bytes that are done.

    Returns:
        The size in bytes of each file by its name below `folder`.

    Raises:
        DataError: Before anything is written, if a member is unsafe (absolute, `..`, a link,
            duplicate, encrypted) or the zip grows beyond the limit; and for damaged content.
    """
    sizes: dict[str, int] = {}
    done = 0
    with _opened(archive) as opened:
        for member in _chosen(archive, opened.infolist(), wanted):
            target = folder / member.filename
            if not has_size(target, member.file_size):
                _write(archive, opened, member, target, sync=wanted is None)
            sizes[member.filename] = member.file_size
            done += member.compress_size
            advance(done)
    if wanted is not None and hasattr(os, "sync"):
        os.sync()
    advance(archive.stat().st_size)
    return sizes


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise DataError(_bad(archive, str(error))) from None


def _bad(archive: Path, problem: str) -> str:
    return (
        f"{archive} cannot be unpacked: {problem}. Delete it and fetch or copy it again; if the "
        "error stays, it is damaged where it was published."
    )


def _chosen(
    archive: Path, members: list[zipfile.ZipInfo], wanted: Callable[[str], bool] | None
) -> list[zipfile.ZipInfo]:
    """Return the members to write, after checking all of them."""
    seen: dict[str, bool] = {}
    for member in members:
        if problem := _problem(member, seen):
            raise DataError(
                f"{archive} is refused: its member {member.filename!r} {problem}. Nothing of it "
                "was unpacked. Delete it and get it from a source that you trust."
            )
        path = PurePosixPath(_alike(member.filename))
        seen |= {str(folder): False for folder in path.parents}
        seen[str(path)] = not member.is_dir()
    grown = sum(member.file_size for member in members)
    if grown > LARGEST_RATIO * archive.stat().st_size:
        raise DataError(
            f"{archive} is refused: it would grow to {counted(grown, 'byte')}, more than "
            f"{LARGEST_RATIO} times its size, as no zip of videos does. Nothing of it was unpacked."
        )
    if wanted is not None:
        return [m for m in members if wanted(m.filename)]
    home = f"{archive.stem}/"
    return [m for m in members if m.filename.startswith(home) and is_video(m.filename)]


def _alike(name: str) -> str:
    """A key that is equal for names that some file system treats as one: by case or accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _problem(member: zipfile.ZipInfo, seen: Mapping[str, bool]) -> str | None:
    """The reason not to unpack `member`; `seen` maps earlier names to whether they are files.

    Names of folders that hold others were seen with them.
    """
    # `orig_filename` still has what zipfile hides from `filename`: what follows a NUL.
    if not (stays_inside(member.filename) and stays_inside(member.orig_filename)):
        return "leads out of its folder"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file"
    path = PurePosixPath(_alike(member.filename))
    if seen.get(str(path)) or (str(path) in seen and not member.is_dir()):
        return "is there twice"
    if any(seen.get(str(folder)) for folder in path.parents):
        return "lies in a folder that is a file, too"
    if member.flag_bits & 0x1:
        return "is encrypted"
    return None


def _write(
    archive: Path,
    opened: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    target: Path,
    *,
    sync: bool,
) -> None:
    """Write one member to `target` atomically."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}{PART}")
    try:
        partial.unlink(missing_ok=True)
        with opened.open(member) as source, files.opened(partial, files.NEW) as file:
            while block := source.read(BLOCK):
                file.write(block)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(target)
    except DAMAGED as error:
        raise DataError(_bad(archive, f"{member.filename} is damaged ({error})")) from None
    except OSError as error:
        # EINVAL comes of a place before the file's beginning, none of what bz2 cannot read.
        if error.errno not in (errno.EINVAL, None):
            raise
        raise DataError(_bad(archive, f"{member.filename} is damaged ({error})")) from None
    finally:
        partial.unlink(missing_ok=True)
