"""Builds a Rooms folder: films, questions and ground truth of any number of scenes.

An interrupted build never looks whole and is continued by the next one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from filelock import FileLock
from pebble import ProcessExpired, ProcessPool

from vicabench.datasets.rooms.folder import LOCK, RoomsFolder
from vicabench.datasets.rooms.settings import FPS, Settings, check_least
from vicabench.errors import ConfigError, DataError

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
    workers: int = 2,
    progress: Progress | None = None,
) -> None:
    """Makes `out` a folder of `scenes` scenes with up to `questions` questions each.

    Writes `rooms/<scene>.mp4`, `scenes.jsonl` (the exact ground truth), `questions.jsonl` (the
    columns of VSI-Bench) and `rooms.json` (what the folder holds). Scenes that are already there
    are kept, and more can be added later. The questions do not depend on `width`, `height` and
    `fps` of the films. `progress` is told (scenes done, scenes in all). With two workers or more
    a script that calls this needs the usual `if __name__ == "__main__":`.

    Raises:
        ConfigError: when a number makes no sense.
        DataError: when the folder holds something else or cannot be written, or a scene fails.
    """
    check_least("scenes", scenes, 1)
    check_least("workers", workers, 1)
    _check_not_importing_main()
    settings = Settings(
        seed=seed, questions_per_scene=questions, width=width, height=height, fps=fps
    )
    try:
        _build(RoomsFolder(path=out, settings=settings, scenes=scenes), workers, progress)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"Rooms cannot be built in {out}: {reason}.") from error


def _build(folder: RoomsFolder, workers: int, progress: Progress | None) -> None:
    lock = folder.path / LOCK
    if not lock.exists():
        folder.check()  # before a lock is put into a folder that is somebody else's
    folder.path.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        folder.check()
        if not folder.is_whole():
            _complete(folder, workers, progress or _silent)


def _check_not_importing_main() -> None:
    # As multiprocessing itself checks; it would say so too, but not while we wait for our lock.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise ConfigError(
            "Rooms are built in new processes, which import the script that asked for them: put "
            'the call below `if __name__ == "__main__":`, or build with workers=1.'
        )


def _silent(_done: int, _total: int) -> None:
    pass


def _complete(folder: RoomsFolder, workers: int, progress: Progress) -> None:
    folder.begin()
    owed = folder.owed()
    done = folder.scenes - len(owed)
    progress(done, folder.scenes)
    for _ in _made_here(folder, owed) if workers == 1 else _made_apart(folder, owed, workers):
        done += 1
        progress(done, folder.scenes)
    folder.finish()


def _made_here(folder: RoomsFolder, owed: list[int]) -> Iterator[None]:
    for index in owed:
        _make(folder, index)
        yield


def _made_apart(folder: RoomsFolder, owed: list[int], workers: int) -> Iterator[None]:
    """Makes the scenes in processes of their own, which end with this one, come what may."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPool(min(workers, len(owed) or 1), context=context, initializer=_end_with_parent)
    try:
        for future in as_completed([pool.schedule(_make, (folder, index)) for index in owed]):
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


def _make(folder: RoomsFolder, index: int) -> None:
    # The renderer and the video encoder are slow to import, and a whole folder needs neither.
    from vicabench.datasets.rooms.make import make  # noqa: PLC0415

    make(folder, index)


def _end_with_parent() -> None:
    """Leaves interrupts to the parent, and ends this process when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
