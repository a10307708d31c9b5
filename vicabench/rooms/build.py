"""Build a Rooms folder in several processes, also after interruptions."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from pebble import ProcessExpired, ProcessPool

from vicabench import ending
from vicabench.errors import ConfigError, DataError
from vicabench.rooms.folder import LOCK, RoomsFolder
from vicabench.rooms.scene import FPS, GENERATOR, Settings, check_least

Folder = TypeVar("Folder")


def check_not_importing_main() -> None:
    """Raise ConfigError in a child process that is still importing the script that started it."""
    # The check of multiprocessing itself, which would come too late: we wait for our lock before.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigError(
            "Rooms are built in new processes, which import the calling script. Put the call below "
            '`if __name__ == "__main__":`, or build with workers=1.'
        )


def each(
    make: Callable[[Folder, int], None], folder: Folder, numbers: Sequence[int], workers: int
) -> Iterator[None]:
    """Call `make(folder, number)` for every number and yield after each, in any order.

    One worker means this process. Raises what `make` raises.

    Raises:
        DataError: A worker process died.
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
            f"A process that makes scenes died ({error}), possibly for lack of memory. Repeat the "
            "same command with fewer workers to continue."
        ) from error
    finally:
        pool.stop()  # type: ignore[no-untyped-call]  # the one untyped function of pebble
        pool.join()


def _end_with_parent() -> None:
    """Leave interrupts to the parent, and end this process when the parent dies."""
    ending.ignore(but=[signal.SIGTERM])  # the pool ends its processes with SIGTERM
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


Progress = Callable[[int, int], None]


def build(
    out: Path,
    *,
    scenes: int,
    seed: int,
    questions: int = 18,
    width: int = 640,
    height: int = 480,
    fps: int = FPS,
    generator: str = GENERATOR,
    workers: int = 2,
    films: bool = True,
    progress: Progress | None = None,
) -> None:
    """Build a folder `out` of `scenes` scenes with up to `questions` questions each.

    Writes `rooms/<scene>.mp4`, `scenes.jsonl` (the exact ground truth), `questions.jsonl` (the
    columns of VSI-Bench) and `rooms.json` (the description of the folder). Existing scenes are
    kept, and more can be added later. The questions do not depend on `width`, `height` and `fps`
    of the films. Without `films` only the three files of rows are written; a later call with
    `films` renders those. `progress` is called with (scenes done, scenes in all). With two or more
    workers a script that calls this needs the usual `if __name__ == "__main__":`.

    Raises:
        ConfigError: A number is out of range.
        DataError: The folder holds something else or cannot be written, or a scene fails.
    """
    check_least("scenes", scenes, 1)
    check_least("workers", workers, 1)
    check_not_importing_main()
    settings = Settings(
        generator=generator,
        seed=seed,
        questions_per_scene=questions,
        width=width,
        height=height,
        fps=fps,
    )
    try:
        folder = RoomsFolder(path=out, settings=settings, scenes=scenes, films=films)
        _build(folder, workers, progress)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"Rooms cannot be built in {out}: {reason}.") from error


def _build(folder: RoomsFolder, workers: int, progress: Progress | None) -> None:
    lock = folder.path / LOCK
    if not lock.exists():
        folder.check()  # do not create a lock in a folder that is used for something else
    folder.path.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        folder.check()
        if not folder.is_whole():
            _complete(folder, workers, progress or _silent)


def _silent(_done: int, _total: int) -> None:
    pass


def _complete(folder: RoomsFolder, workers: int, progress: Progress) -> None:
    folder.begin()
    owed = folder.owed()
    done = folder.scenes - len(owed)
    progress(done, folder.scenes)
    for _ in each(_make, folder, owed, workers):
        done += 1
        progress(done, folder.scenes)
    folder.finish()


def _make(folder: RoomsFolder, index: int) -> None:
    # The renderer and the encoder are slow to import, and a complete folder needs neither.
    from vicabench.rooms.make import make  # noqa: PLC0415

    make(folder, index)
