"""Files in folders that may come from anywhere, opened as plain files, and one writer a folder."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from filelock import FileLock, Timeout

from vicabench.errors import RunFolderError

READ, APPEND, NEW, CHANGE = "rb", "ab", "xb", "r+b"
_FLAGS = {
    READ: os.O_RDONLY,
    APPEND: os.O_WRONLY | os.O_APPEND | os.O_CREAT,
    NEW: os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    CHANGE: os.O_RDWR,
}
_PLAIN = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_LINK = "it is a link, not a plain file"
_OTHER = "it is a pipe or a device, not a file"
_AT = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd


def opened(path: Path, mode: str) -> BinaryIO:
    """The plain file at `path`, opened to READ, APPEND, as a NEW one or to CHANGE it.

    Raises OSError, also for a link, a pipe, a device or a folder.
    """
    return _opened(str(path), mode, path, None)


def read(path: Path) -> bytes:
    """The content of the plain file at `path`; OSError as `opened` raises."""
    with opened(path, READ) as file:
        return file.read()


def write(path: Path, content: str | bytes) -> None:
    """Put a plain file at `path` in one step, in place of a file that is there; raises OSError.

    OSError too if a link, a pipe, a device or a folder is in that place.
    """
    with suppress(FileNotFoundError):
        _refuse_other(path.lstat().st_mode, path)
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    _put(_bytes(content), str(partial), str(path), path, None)


def output(path: Path, content: str | bytes) -> None:
    """`write`, for a place that the user named: `/dev/stdout` and other devices are good, too."""
    if _is_stream(path):
        with path.open("wb") as file:
            file.write(_bytes(content))
        return
    write(path, content)


class Folder:
    """A folder held open: its files are found in it even if it is moved meanwhile.

    `close` lets go of it. Raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
        self.descriptor = os.open(path, flags) if _AT else None

    def close(self) -> None:
        """Let go of it."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def opened(self, name: str, mode: str) -> BinaryIO:
        """The file of this name, as the function `opened` opens it."""
        return _opened(self._place(name), mode, self.path / name, self.descriptor)

    def read(self, name: str) -> bytes:
        """The content of a file; FileNotFoundError if it is not there."""
        with self.opened(name, READ) as file:
            return file.read()

    def append(self, name: str, content: bytes) -> None:
        """Add to the end of a file and sync it; if that fails its content is what it was."""
        with self.opened(name, APPEND) as file:
            descriptor = file.fileno()
            size = os.fstat(descriptor).st_size
            try:
                _written(descriptor, content)
            except BaseException:
                os.ftruncate(descriptor, size)
                raise

    def cut(self, name: str, size: int) -> None:
        """Keep the first `size` bytes of a file."""
        with self.opened(name, CHANGE) as file:
            os.ftruncate(file.fileno(), size)

    def write(self, name: str, content: str) -> None:
        """Put a whole file in the place of the one there, or of a link, by rename."""
        partial = self._place(f"{name}.partial")
        _put(content.encode(), partial, self._place(name), self.path / name, self.descriptor)

    def is_elsewhere(self) -> bool:
        """Whether the path leads to this folder no more: it was moved, deleted or replaced."""
        if self.descriptor is None:
            return not self.path.is_dir()
        try:
            return not os.path.samestat(self.path.stat(), os.fstat(self.descriptor))
        except OSError:
            return True

    def where(self) -> str | None:
        """Where it is now; None where the system does not tell."""
        with suppress(OSError):
            return str(Path(f"/proc/self/fd/{self.descriptor}").readlink())
        return None

    def _place(self, name: str) -> str:
        return name if self.descriptor is not None else str(self.path / name)


def _opened(name: str, mode: str, path: Path, folder: int | None) -> BinaryIO:
    try:
        descriptor = os.open(name, _FLAGS[mode] | _PLAIN, 0o666, dir_fd=folder)
    except OSError as error:
        reason = {errno.ELOOP: _LINK, errno.ENXIO: _OTHER}.get(error.errno or 0)
        raise OSError(error.errno, reason or error.strerror, str(path)) from None
    try:
        _refuse_other(os.fstat(descriptor).st_mode, path)
    except OSError:
        os.close(descriptor)
        raise
    return cast("BinaryIO", os.fdopen(descriptor, mode.replace("x", "w")))


def _refuse_other(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, _LINK if stat.S_ISLNK(mode) else _OTHER, str(path))


def _put(content: bytes, partial: str, name: str, path: Path, folder: int | None) -> None:
    with suppress(FileNotFoundError):
        os.unlink(partial, dir_fd=folder)  # what a killed process left, or a link
    try:
        with _opened(partial, NEW, path, folder) as file:
            _written(file.fileno(), content)
        os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(partial, dir_fd=folder)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def _written(descriptor: int, content: bytes) -> None:
    """Write it all and sync it, or after a power cut a new name might have no content."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)


def _is_stream(path: Path) -> bool:
    """Whether this is a device, or one of this process's own streams, under `/dev` or `/proc`."""
    if not str(path.absolute()).startswith(("/dev/", "/proc/")):
        return False
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return not stat.S_ISDIR(found.st_mode)
        return any(os.path.samestat(found, os.fstat(number)) for number in (1, 2))
    except OSError:
        return False


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


if sys.platform != "win32":
    import fcntl

LOCK = ".lock"
BUSY = {errno.EACCES, errno.EAGAIN}


class FolderLock:
    """The lock of a run folder, which is there; `folder` is that folder while it is held."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = FileLock(path / LOCK)
        self._mark: tuple[int, int] | None = None
        self._sealed = False

    def acquire(self) -> None:
        """Take the lock; RunFolderError if another process has it, or locks have no effect here.

        Raises OSError if the folder cannot be written.
        """
        self.folder = Folder(self._path)
        try:
            self._sealed = self._locks(self.folder.descriptor)
            self._take_file()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go of it."""
        self._file.release()
        self.folder.close()

    def check(self) -> None:
        """RunFolderError if the folder is elsewhere by now, or its lock is another process's."""
        if self.folder.is_elsewhere():
            now = self.folder.where()
            raise RunFolderError(
                f"The run folder {self._path} was moved or deleted while it was written"
                + (f": it is {now} now" if now else "")
                + ". What could be written is kept in it; name it with --out to continue."
            )
        if self._sealed or self._marked() == self._mark:
            return
        self._file.release()
        self._take_file()

    def _take_file(self) -> None:
        try:
            self._file.acquire(timeout=0)
        except Timeout:
            raise self._busy(f" If none does any more, delete {self._path / LOCK}.") from None
        except NotImplementedError as error:  # of some versions, for want of flock
            raise OSError(errno.ENOTSUP, str(error)) from None
        self._mark = self._marked()
        self._refuse_no_effect()

    def _refuse_no_effect(self) -> None:
        """RunFolderError if the file that is locked now could be locked a second time."""
        if sys.platform == "win32":
            return
        with suppress(OSError), opened(self._path / LOCK, CHANGE) as again:
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise RunFolderError(
                f"Locks have no effect on the file system of {self._path}: two runs could write "
                "there at once. Choose a place on another with --out."
            )

    def _marked(self) -> tuple[int, int] | None:
        """Which file is the lock now; None if there is none."""
        with suppress(OSError):
            found = (self._path / LOCK).lstat()
            return found.st_dev, found.st_ino
        return None

    def _locks(self, descriptor: int | None) -> bool:
        """Lock the folder itself; whether that is possible here. RunFolderError if it is locked."""
        if sys.platform == "win32" or descriptor is None:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in BUSY:
                raise self._busy() from None
            return False  # a network's file system may lock nothing but files
        return True

    def _busy(self, more: str = "") -> RunFolderError:
        return RunFolderError(
            f"Another process is writing the run folder {self._path}. Wait for it to finish, or "
            f"give this run another folder with --out.{more}"
        )


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces), in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
