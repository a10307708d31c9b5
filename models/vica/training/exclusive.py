"""One run at a time in an output: a second would remove what the first is just writing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vica.errors import TrainingError
from vica.training.launching import ERROR_FILE

LOCK = ".lock"


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Hold the lock of an output; raises TrainingError if another process of this machine does.

    Of the processes of one run it is held by the one that starts the others, or by the first. A
    folder in which nothing was written is not left behind.
    """
    if ERROR_FILE in os.environ or int(os.environ.get("RANK", "0")):
        yield
        return
    lock, new = FileLock(output / LOCK), not output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise TrainingError(
            f"another process trains into {output}: wait for it to finish, or choose another output"
        ) from None
    except OSError as error:
        raise TrainingError(f"{output} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
        if new:
            with suppress(OSError):  # what was written stays
                output.rmdir()
