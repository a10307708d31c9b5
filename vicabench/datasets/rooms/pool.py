"""Many scenes made in processes of their own, which end with this one, come what may."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from pebble import ProcessExpired, ProcessPool

from vicabench import ending
from vicabench.errors import ConfigError, DataError

Folder = TypeVar("Folder")


def check_not_importing_main() -> None:
    """Raises ConfigError in a process that is only now importing the script that started it."""
    # As multiprocessing itself checks; it would say so too, but not while we wait for our lock.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigError(
            "Rooms are built in new processes, which import the script that asked for them: put "
            'the call below `if __name__ == "__main__":`, or build with workers=1.'
        )


def each(
    make: Callable[[Folder, int], None], folder: Folder, numbers: Sequence[int], workers: int
) -> Iterator[None]:
    """Calls `make(folder, number)` for every number, and yields after each, in any order.

    With one worker it is done here. Raises what `make` raises, and DataError when a process ends.
    """
    if workers == 1:
        for number in numbers:
            make(folder, number)
            yield
        return
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(numbers) or 1)
    pool = ProcessPool(count, context=context, initializer=_end_with_parent)
    try:
        for future in as_completed([pool.schedule(make, (folder, n)) for n in numbers]):
            future.result()
            yield
    except (ProcessExpired, BrokenProcessPool) as error:
        raise DataError(
            f"A process that makes scenes ended before its time ({error}), perhaps for want of "
            "memory. Run the same command again to continue, with fewer workers."
        ) from error
    finally:
        pool.stop()  # type: ignore[no-untyped-call]  # the one untyped function of pebble
        pool.join()


def _end_with_parent() -> None:
    """Leaves interrupts to the parent, and ends this process when the parent is gone."""
    ending.ignore(but=[signal.SIGTERM])  # by which the pool ends it
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
