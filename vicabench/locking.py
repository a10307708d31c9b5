"""One writer a run folder, also when somebody deletes the lock that says so.

The lock is a file, `.lock`, as any file system knows it. Where the system can lock the folder
itself as well, which nobody can delete from within it, that is done, too.
"""

from __future__ import annotations

import errno
import sys
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vicabench import files
from vicabench.errors import RunFolderError

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
        self.folder = files.Folder(self._path)
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
        with suppress(OSError), files.opened(self._path / LOCK, files.CHANGE) as again:
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
