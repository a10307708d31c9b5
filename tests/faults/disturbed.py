"""Installed as `sitecustomize`, so every Python with this folder on its path imports it first.

`KILL_AT=5` kills the process at its fifth operation on the run folder: opening, renaming,
truncating or syncing a file in it. `CLOCK=backwards` sets the wall clock back by an hour at every
reading, from the year 2100 on. `FLOCK=void` makes locks succeed without effect, and
`FLOCK=missing` makes them fail as on a system without locks.
"""

import errno
import fcntl
import os
import signal
import sys
import time
from itertools import count

FILES = {"config.json", "config.json.partial", "predictions.jsonl", "timing.jsonl"}
"""The names that a process uses if it holds the folder open."""
STEPS = ("open", "os.mkdir", "os.rename", "os.truncate", "os.remove")


def kill_at(last: int) -> None:
    steps, sync = count(1), os.fsync

    def step() -> None:
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        place = f"{os.sep}{arguments[0]}" if arguments else ""
        if event in STEPS and (f"{os.sep}run" in place or place.lstrip(os.sep) in FILES):
            step()

    def fsync(file: int) -> None:
        sync(file)
        step()

    os.fsync = fsync  # type: ignore[assignment]
    sys.addaudithook(watch)


if "KILL_AT" in os.environ:
    kill_at(int(os.environ["KILL_AT"]))
if os.environ.get("CLOCK") == "backwards":
    hours = count()
    time.time = lambda: 4_102_444_800.0 - 3600 * next(hours)


def no_flock(_file: object, _operation: int) -> None:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


if "FLOCK" in os.environ:
    fcntl.flock = no_flock if os.environ["FLOCK"] == "missing" else lambda _file, _operation: None
