"""Which video is whose: what is still to be answered, and what a lost worker leaves behind."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Condition

from vicabench.engine.executors.job import Task

ATTEMPTS = 3
"""So many workers may end while they answer a video; then the video is to blame."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a lost worker was answering, None if nothing; `final` if it is not tried again."""

    task: Task | None
    final: bool


class Board:
    """The videos of a run, handed out to workers; every method may be called by any thread.

    A worker holds several videos, so that the next ones are decoded while it answers the first.
    When it is lost, the first is tried again, elsewhere if there is another worker, and alone, so
    that no other video can be blamed in its place; the rest is as if never handed out.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._changed = Condition()
        self._waiting: deque[Task] = deque()
        self._held: dict[str, deque[Task]] = {}
        self._lost_by: dict[str, list[str]] = {}
        self._open = True

    @property
    def workers(self) -> int:
        """How many workers are ready."""
        return len(self._held)

    def join(self, worker: str) -> None:
        """A worker is ready."""
        with self._changed:
            self._held[worker] = deque()

    def put(self, tasks: Iterable[Task]) -> None:
        """Add what is to be answered."""
        with self._changed:
            self._waiting.extend(tasks)
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing is handed out any more."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def take(self, worker: str) -> Task | None:
        """A video for this worker, which waits for one if it holds none.

        None if it shall go on with those that it holds, or if the board is closed.
        """
        with self._changed:
            held = self._held[worker]
            while self._open:
                if task := self._next_for(worker, held):
                    held.append(task)
                    return task
                if held:
                    return None
                self._changed.wait()
        return None

    def done(self, worker: str) -> None:
        """The first of the videos that this worker holds is answered."""
        with self._changed:
            self._held[worker].popleft()

    def leave(self, worker: str) -> Loss:
        """A worker is lost: what it was answering, and whether that is tried again."""
        with self._changed:
            held = self._held.pop(worker)
            first = held.popleft() if held else None
            self._waiting.extendleft(reversed(held))
            final = False
            if first is not None:
                lost_by = self._lost_by.setdefault(first.video, [])
                lost_by.append(worker)
                final = len(lost_by) == ATTEMPTS
                if not final:
                    self._waiting.append(first)
            self._changed.notify_all()
            return Loss(task=first, final=final)

    def _next_for(self, worker: str, held: deque[Task]) -> Task | None:
        if held and self._is_enough(held):
            return None
        for task in self._waiting:
            if task.video not in self._lost_by or (not held and self._may_retry(worker, task)):
                self._waiting.remove(task)
                return task
        return None

    def _is_enough(self, held: deque[Task]) -> bool:
        """Whether a worker holds enough: near the end the rest is for those who have nothing."""
        fair = len(self._waiting) // len(self._held)
        return held[0].video in self._lost_by or len(held) > min(self._ahead, fair)

    def _may_retry(self, worker: str, task: Task) -> bool:
        """Whether no other worker has lost it less often."""
        times = Counter(self._lost_by[task.video])
        return times[worker] == min(times[name] for name in self._held)
