"""Standard streams that nobody may be at the other end of: closed, hung up, or no longer read."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path

INPUT, OUTPUT, ERRORS = 0, 1, 2


def secure() -> None:
    """Make all three usable, whatever this process was started with.

    What is closed leads nowhere, so that no file of a run can ever take its number. Messages to
    standard error are lost once nobody takes them, and end nothing. What characters cannot be
    encoded is replaced.
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
    """Let a stream lead nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, number)
    os.close(nowhere)


class _Lossy(io.FileIO):
    """A stream that takes everything, and drops what nobody takes from it."""

    def write(self, data: object, /) -> int:
        """Write the bytes if that is possible; how many they are in any case."""
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
