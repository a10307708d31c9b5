"""An event loop in a thread of its own: many calls at once, each of which can be given up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future, as_completed
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Runs coroutines for callers in any thread; its own thread never keeps a program alive."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="api", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; if waiting for it is interrupted, it is cancelled."""
        (result,) = self.each([work])
        return result

    def each(self, works: Sequence[Coroutine[Any, Any, T]]) -> Iterator[T]:
        """The results of coroutines as they come; what is not taken any more is cancelled."""
        futures: list[Future[T]] = [
            asyncio.run_coroutine_threadsafe(work, self._loop) for work in works
        ]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Stop the loop and its thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
