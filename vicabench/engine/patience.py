"""How long an adapter may take over a video, and what happens when it takes longer.

A call cannot be stopped from outside; and an adapter that was stopped half-way might take the late
answers to this video for those to the next one. So what is there is kept, and the process ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import NoReturn

from vicabench.results.predictions import Prediction
from vicabench.runtime import Countdown

Overdue = Callable[[Sequence[Prediction]], NoReturn]


@dataclass(frozen=True, kw_only=True)
class Patience:
    """The seconds of running that an adapter has for a video, None for any time.

    `overdue` gets the predictions of a video that took longer, in another thread while the adapter
    still hangs; it keeps them and ends the process.
    """

    seconds: float | None
    overdue: Overdue

    @contextmanager
    def over(self, late: Callable[[], Sequence[Prediction]]) -> Iterator[None]:
        """Give the block that time; `late` says what is there of the video when it is over.

        A block that keeps Python's own lock while it hangs, as compiled code can, is not noticed.
        """
        if self.seconds is None:
            yield
            return
        over = Lock()  # who takes it first decides whether this was in time

        def expire() -> None:
            if over.acquire(blocking=False):
                self.overdue(late())

        limit = Countdown(self.seconds, expire)
        limit.start()
        try:
            yield
        finally:
            over.acquire()  # for ever, if it was too late: the process is about to end
            limit.cancel()
