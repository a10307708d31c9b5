"""Which video is whose, and the thread that starts a worker, feeds it and notices its end."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Condition, Lock, Thread
from typing import Protocol

from vicabench.engine.workers.messages import Built, Reply, Task, WorkerLostError
from vicabench.errors import UserError

ATTEMPTS = 3
"""So many workers may end while they answer a video; then the video is to blame."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a lost worker was answering, None if nothing; `final` if it is not tried again."""

    task: Task | None
    final: bool


class TaskQueue:
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

        None if it shall go on with those that it holds, or if the queue is closed.
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


STARTS = 3
"""A worker that is lost so often in a row before its model is loaded is given up."""
JOIN_SECONDS = 10.0


class Worker(Protocol):
    """A worker as its supervisor sees it.

    `build`, `give` and `reply` raise WorkerLostError, and the kinds of UserError that adapters
    raise. Only `kill` is called by another thread than the supervisor's.
    """

    def build(self) -> Built:
        """Wait until the model is loaded there."""

    def give(self, task: Task) -> None:
        """Let it begin to decode a video."""

    def reply(self) -> Reply:
        """Wait for the answers about the first of the videos that it was given."""

    def kill(self) -> None:
        """End it at once, whatever it is doing; who waits for it is told that it is lost."""

    def close(self) -> None:
        """The same, when nobody waits for it; lets go of all that it took here."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for a worker: its name, and how one is started there (raises WorkerLostError)."""

    name: str
    start: Callable[[], Worker]


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A worker has its model."""

    built: Built


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A reply of the `number`-th worker of a slot."""

    slot: str
    number: int
    reply: Reply


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A worker that had its model is gone, and another one is started."""

    slot: str
    error: WorkerLostError
    loss: Loss


@dataclass(frozen=True, kw_only=True)
class GivenUp:
    """A slot in which no worker can be started."""

    slot: str
    error: WorkerLostError


Event = Ready | Answered | Lost | GivenUp | BaseException
"""What a supervisor tells; an exception ends the run."""


class Supervisor:
    """Keeps one slot, in a thread of its own, and tells all that happens by `tell`."""

    def __init__(self, slot: Slot, queue: TaskQueue, report: Callable[[Event], None]) -> None:
        self._slot, self._queue, self._report = slot, queue, report
        self._lock = Lock()
        self._worker: Worker | None = None
        self._left = False
        self._number = 0
        self._thread = Thread(target=self._supervise, name=slot.name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the worker at once; the thread ends too, once the queue is closed."""
        with self._lock:
            self._left = True
            if self._worker:
                self._worker.kill()

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join(JOIN_SECONDS)

    def _supervise(self) -> None:
        failures = 0
        try:
            while failures < STARTS and not self._left:
                failures = failures + 1 if self._run_worker(last=failures == STARTS - 1) else 0
        except Exception as error:  # a thread's own exceptions would be seen by nobody
            self._report(error)

    def _run_worker(self, *, last: bool) -> bool:
        """One worker, from its start to its end; returns whether it was lost before it was ready.

        If it is the `last` that is tried, its loss is told as giving up.
        """
        self._number += 1
        worker: Worker | None = None
        try:
            worker = self._start_worker()
            built = worker.build()
        except WorkerLostError as error:
            self._give_up(error, last)
            return True
        except UserError as error:
            if self._number == 1:
                raise
            # It was not refused at first: a device that does not recover is no wrong option.
            self._give_up(WorkerLostError(str(error)), last)
            return True
        else:
            self._queue.join(self._slot.name)
            self._report(Ready(built=built))
            self._serve(worker)
            return False
        finally:
            self._close_worker(worker)

    def _give_up(self, error: WorkerLostError, last: bool) -> None:
        if last and not self._left:
            self._report(GivenUp(slot=self._slot.name, error=error))

    def _serve(self, worker: Worker) -> None:
        """Hand the worker videos and tell its replies, until it is lost or all is over."""
        name = self._slot.name
        try:
            while not self._left:
                while task := self._queue.take(name):
                    worker.give(task)
                if self._left:
                    break
                reply = worker.reply()
                self._queue.done(name)
                self._report(Answered(slot=name, number=self._number, reply=reply))
        except WorkerLostError as error:
            if not self._left:
                self._report(Lost(slot=name, error=error, loss=self._queue.leave(name)))

    def _start_worker(self) -> Worker:
        worker = self._slot.start()
        with self._lock:
            self._worker = worker
            if self._left:
                worker.kill()
        return worker

    def _close_worker(self, worker: Worker | None) -> None:
        with self._lock:
            self._worker = None
        if worker:
            worker.close()
