"""Time limits that count only the time in which this process ran.

A process that was stopped (Ctrl-Z), a container that was paused and a machine that was asleep have
not used up a limit. So time is counted in small steps, and a step that took far longer than it
should have counts as a short one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event, Thread
from time import monotonic, process_time

STEP = 0.25
"""Seconds between two looks at the clock."""
LONGEST = 2 * STEP
"""What a step without any computing counts at most."""


class RunTime:
    """Seconds in which this process ran since this was made; to be looked at every STEP."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._clock, self._computed = monotonic(), process_time()

    def look(self) -> float:
        """The seconds up to now."""
        clock, computed = monotonic(), process_time()
        # Code that keeps Python's lock delays the looks, but it computes: that counts.
        longest = LONGEST + computed - self._computed
        self._seconds += min(clock - self._clock, longest)
        self._clock, self._computed = clock, computed
        return self._seconds


class Countdown:
    """Calls `expire` in a thread after so many `seconds`, unless cancelled before."""

    def __init__(self, seconds: float, expire: Callable[[], None]) -> None:
        self._limit, self._expire = seconds, expire
        self._cancelled = Event()
        self._thread = Thread(target=self._count, name="time limit", daemon=True)

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop counting; returns when `expire` has, if it was called."""
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
    """Raise TimeoutError when the block takes longer, as `asyncio.timeout` does."""
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
