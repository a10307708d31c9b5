"""Laid out as `sitecustomize`, so every Python with this folder on its path imports it first.

`KILL_AT=5` kills the process at the fifth thing it does to the run folder: opening or renaming
a file in it, cutting one off, or syncing it. `CLOCK=backwards` lets the wall clock jump back by an
hour whenever it is looked at, from the year 2100 on.
"""

import os
import signal
import sys
import time
from itertools import count

STEPS = ("open", "os.mkdir", "os.rename", "os.truncate", "os.remove")


def kill_at(last: int) -> None:
    steps, sync = count(1), os.fsync

    def step() -> None:
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in STEPS and f"{os.sep}run" in f"{os.sep}{arguments[0]}":
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
