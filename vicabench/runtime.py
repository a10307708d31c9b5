"""Time limits that count only the time in which this process ran.

Time in which a process is stopped (Ctrl-Z), a container is paused or a machine sleeps must not
count. So time is measured in small steps, and a step that took far longer than it should counts
as a short one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event, Thread
from time import monotonic, process_time

STEP = 0.25
"""Seconds between two readings of the clock."""
LONGEST = 2 * STEP
"""The most seconds that a step without computation counts."""


class RunTime:
    """A clock of the seconds in which this process ran; it has to be read every `STEP` seconds."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._clock, self._computed = monotonic(), process_time()

    def look(self) -> float:
        """The seconds since this clock was created."""
        clock, computed = monotonic(), process_time()
        # Code that holds the GIL delays the readings, but it computes: that time counts.
        longest = LONGEST + computed - self._computed
        self._seconds += min(clock - self._clock, longest)
        self._clock, self._computed = clock, computed
        return self._seconds


class Countdown:
    """Calls `expire` in a thread after this many `seconds`, unless cancelled before."""

    def __init__(self, seconds: float, expire: Callable[[], None]) -> None:
        self._limit, self._expire = seconds, expire
        self._cancelled = Event()
        self._thread = Thread(target=self._count, name="time limit", daemon=True)

    def start(self) -> None:
        """Start counting."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop counting; if `expire` was called, wait until it has returned."""
        self._cancelled.set()
        self._thread.join()

    def _count(self) -> None:
        time = RunTime()
        while (left := self._limit - time.look()) > 0:
            if self._cancelled.wait(min(STEP, left)):
                return
        self._expire()


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Raise TimeoutError if the block takes longer than this many seconds of run time."""
    async with asyncio.timeout(None) as limit:
        counting = asyncio.create_task(_count(limit, seconds))
        try:
            yield
        finally:
            counting.cancel()


async def _count(limit: asyncio.Timeout, seconds: float) -> None:
    time = RunTime()
    while (left := seconds - time.look()) > 0:
        await asyncio.sleep(min(STEP, left))
    limit.reschedule(asyncio.get_running_loop().time())
