"""Standard streams that may be closed, hung up, or no longer read."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path

INPUT, OUTPUT, ERRORS = 0, 1, 2


def secure() -> None:
    """Make all three standard streams usable, however this process was started.

    Closed streams are opened on the null device, so that no file of a run gets their descriptor.
    Failed writes to standard error are ignored. Characters that cannot be encoded are replaced.
    """
    for number in (INPUT, OUTPUT, ERRORS):
        _fill(number)
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open(encoding="utf-8")
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    encoding = sys.stderr.encoding if sys.stderr else "utf-8"
    if sys.stderr:
        with suppress(OSError):
            sys.stderr.flush()
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Lossy(ERRORS, "w", closefd=False)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
        write_through=True,
    )


def abandon(number: int) -> None:
    """Redirect a stream to the null device from now on."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, number)
    os.close(nowhere)


class _Lossy(io.FileIO):
    """A stream whose writes never fail: what cannot be written is dropped."""

    def write(self, data: object, /) -> int:
        """Write the bytes if possible; always returns their number."""
        size = len(memoryview(data))  # type: ignore[arg-type]  # a buffer
        try:
            return super().write(data) or size  # type: ignore[arg-type]
        except OSError:
            abandon(self.fileno())
            return size


def _fill(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
