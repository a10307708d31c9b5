"""Opening files of an output only if they are regular files, and removing its folders.

A link in an output could lead anywhere, and opening a pipe would block forever.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import Literal, TextIO, cast

from vica.errors import TrainingError

FLAGS = {
    "r": os.O_RDONLY,
    "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "w": os.O_WRONLY | os.O_CREAT,
}
PLAIN = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"))


def opened(path: Path, mode: Literal["r", "a", "w"]) -> TextIO:
    """Open the text file at `path` to read, append or overwrite.

    Raises:
        FileNotFoundError: There is no file to read.
        TrainingError: It cannot be opened, or is a link, a pipe or a device.
    """
    try:
        descriptor = os.open(path, FLAGS[mode] | PLAIN, 0o666)
    except FileNotFoundError:
        raise
    except OSError as error:
        other = error.errno in (errno.ELOOP, errno.ENXIO)
        raise _unopened(path, None if other else error.strerror) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unopened(path, None)
    if mode == "w":
        os.ftruncate(descriptor, 0)
    return cast("TextIO", os.fdopen(descriptor, mode, encoding="utf-8", errors="backslashreplace"))


def write(path: Path, text: str) -> None:
    """Overwrite a text file; raises the same errors as `opened`."""
    with opened(path, "w") as file:
        file.write(text)


def remove(path: Path) -> None:
    """Remove a folder, or a link or file in its place, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _unopened(path: Path, reason: str | None) -> TrainingError:
    return TrainingError(
        f"{path} cannot be opened: {reason or 'it is a link, a pipe or a device, not a file'}. "
        "Remove it, or choose another output"
    )
