"""Builds a Rooms folder: films, questions and ground truth of any number of scenes.

An interrupted build never looks whole and is continued by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from vicabench.datasets.rooms.folder import LOCK, RoomsFolder
from vicabench.datasets.rooms.pool import check_not_importing_main, each
from vicabench.datasets.rooms.settings import FPS, Settings, check_least
from vicabench.errors import DataError

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
    check_not_importing_main()
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
    # The renderer and the video encoder are slow to import, and a whole folder needs neither.
    from vicabench.datasets.rooms.make import make  # noqa: PLC0415

    make(folder, index)
