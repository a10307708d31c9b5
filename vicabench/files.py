"""Read and write files in untrusted folders safely, with one writer per folder."""

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
    """Open the regular file at `path` in one of the modes READ, APPEND, NEW and CHANGE.

    Raises:
        OSError: Opening failed, or it is a link, a pipe, a device or a folder.
    """
    return _opened(str(path), mode, path, None)


def read(path: Path) -> bytes:
    """The content of the regular file at `path`; raises OSError like `opened`."""
    with opened(path, READ) as file:
        return file.read()


def write(path: Path, content: str | bytes) -> None:
    """Write a regular file atomically, replacing an existing one.

    Raises:
        OSError: Writing failed, or a link, a pipe, a device or a folder is at `path`.
    """
    with suppress(FileNotFoundError):
        _refuse_other(path.lstat().st_mode, path)
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    _put(_bytes(content), str(partial), str(path), path, None)


def output(path: Path, content: str | bytes) -> None:
    """`write`, for a path that the user named: also to `/dev/stdout` and other devices."""
    if _is_stream(path):
        with path.open("wb") as file:
            file.write(_bytes(content))
        return
    write(path, content)


class Folder:
    """A folder that is held open, so that its files are reached even if it is moved meanwhile.

    All methods may raise OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
        self.descriptor = os.open(path, flags) if _AT else None

    def close(self) -> None:
        """Close the folder."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def opened(self, name: str, mode: str) -> BinaryIO:
        """Open the file of this name like the function `opened`."""
        return _opened(self._place(name), mode, self.path / name, self.descriptor)

    def read(self, name: str) -> bytes:
        """The content of a file; raises FileNotFoundError if it does not exist."""
        with self.opened(name, READ) as file:
            return file.read()

    def append(self, name: str, content: bytes) -> None:
        """Append to a file and sync it; if that fails, restore its previous content."""
        with self.opened(name, APPEND) as file:
            descriptor = file.fileno()
            size = os.fstat(descriptor).st_size
            try:
                _written(descriptor, content)
            except BaseException:
                os.ftruncate(descriptor, size)
                raise

    def truncate(self, name: str, size: int) -> None:
        """Keep only the first `size` bytes of a file."""
        with self.opened(name, CHANGE) as file:
            os.ftruncate(file.fileno(), size)

    def write(self, name: str, content: str) -> None:
        """Write a file atomically, replacing an existing file or link by rename."""
        partial = self._place(f"{name}.partial")
        _put(content.encode(), partial, self._place(name), self.path / name, self.descriptor)

    def is_elsewhere(self) -> bool:
        """Whether the path no longer leads to this folder: it was moved, deleted or replaced."""
        if self.descriptor is None:
            return not self.path.is_dir()
        try:
            return not os.path.samestat(self.path.stat(), os.fstat(self.descriptor))
        except OSError:
            return True

    def current_path(self) -> str | None:
        """Where the folder is now; None if the system does not provide this."""
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
        os.unlink(partial, dir_fd=folder)  # left by a killed process, or a planted link
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
    """Write everything and sync: after a power cut, a renamed file might otherwise be empty."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)


def _is_stream(path: Path) -> bool:
    """Whether this is a device, or a stream of this process, under `/dev` or `/proc`."""
    if not str(path.absolute()).startswith(("/dev/", "/proc/")):
        return False
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return not stat.S_ISDIR(status.st_mode)
        return any(os.path.samestat(status, os.fstat(number)) for number in (1, 2))
    except OSError:
        return False


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


if sys.platform != "win32":
    import fcntl

LOCK = ".lock"
BUSY = {errno.EACCES, errno.EAGAIN}


class FolderLock:
    """The lock of an existing run folder; `folder` is the open folder while it is held.

    It locks the folder itself and a file in it: the first also survives the deletion of the file,
    the second also works on network file systems that lock nothing but files.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = FileLock(path / LOCK)
        self._mark: tuple[int, int] | None = None
        self._sealed = False

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            RunFolderError: Another process holds it, or locks have no effect on this file system.
            OSError: The folder cannot be written.
        """
        self.folder = Folder(self._path)
        try:
            self._sealed = self._locks(self.folder.descriptor)
            self._take_file()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Release the lock and close the folder."""
        self._file.release()
        self.folder.close()

    def check(self) -> None:
        """Check that the lock is still held.

        Raises:
            RunFolderError: The folder was moved, or its lock was taken by another process.
        """
        if self.folder.is_elsewhere():
            path = self.folder.current_path()
            raise RunFolderError(
                f"The run folder {self._path} was moved or deleted while it was written"
                + (f": it is {path} now" if path else "")
                + ". All results so far are kept in it; give it with --out to continue."
            )
        if self._sealed or self._marked() == self._mark:
            return
        self._file.release()
        self._take_file()

    def _take_file(self) -> None:
        try:
            self._file.acquire(timeout=0)
        except Timeout:
            raise self._busy(f" If no process does, delete {self._path / LOCK}.") from None
        except NotImplementedError as error:  # raised by some versions of filelock without flock
            raise OSError(errno.ENOTSUP, str(error)) from None
        self._mark = self._marked()
        self._refuse_no_effect()

    def _refuse_no_effect(self) -> None:
        """Raise RunFolderError if the locked file can be locked a second time."""
        if sys.platform == "win32":
            return
        with suppress(OSError), opened(self._path / LOCK, CHANGE) as second:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise RunFolderError(
                f"Locks have no effect on the file system of {self._path}: two runs could write "
                "there at the same time. Choose a folder on another file system with --out."
            )

    def _marked(self) -> tuple[int, int] | None:
        """Device and inode of the current lock file; None if there is none."""
        with suppress(OSError):
            status = (self._path / LOCK).lstat()
            return status.st_dev, status.st_ino
        return None

    def _locks(self, descriptor: int | None) -> bool:
        """Lock the folder itself; False if this system cannot.

        Raises:
            RunFolderError: Another process holds the lock.
        """
        if sys.platform == "win32" or descriptor is None:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in BUSY:
                raise self._busy() from None
            return False  # network file systems may support locks on files only
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
