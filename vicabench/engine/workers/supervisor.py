"""Which worker gets which video; starts workers, feeds them, notices their end."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Condition, Lock, Thread
from typing import Protocol

from vicabench.engine.workers.messages import Built, Reply, Task, WorkerLostError
from vicabench.errors import UserError

ATTEMPTS = 3
"""After so many workers ended while answering a video, the video is to blame."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The task that a lost worker was answering, if any; `final` if it is not tried again."""

    task: Task | None
    final: bool


class TaskQueue:
    """Hands out the videos of a run to workers; thread-safe.

    A worker holds several videos, so that the next ones are decoded while it answers the first.
    When a worker is lost, its first video is tried again: on another worker if there is one, and
    as the only video that the worker holds, so that no other video can be blamed for the next
    loss. Its other videos return to the queue.
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
        """Register a worker that is ready."""
        with self._changed:
            self._held[worker] = deque()

    def put(self, tasks: Iterable[Task]) -> None:
        """Add tasks."""
        with self._changed:
            self._waiting.extend(tasks)
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing any more."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def take(self, worker: str) -> Task | None:
        """Take a video for a worker; wait for one if the worker holds none.

        Returns:
            None if the worker should first answer what it holds, or if the queue is closed.
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
        """Remove the first video that a worker holds: it is answered."""
        with self._changed:
            self._held[worker].popleft()

    def leave(self, worker: str) -> Loss:
        """Remove a lost worker; return what it was answering, and whether that is final."""
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
        """Whether a worker holds enough: near the end, the rest is left for idle workers."""
        fair = len(self._waiting) // len(self._held)
        return held[0].video in self._lost_by or len(held) > min(self._ahead, fair)

    def _may_retry(self, worker: str, task: Task) -> bool:
        """Whether no other worker has lost the video less often."""
        times = Counter(self._lost_by[task.video])
        return times[worker] == min(times[name] for name in self._held)


STARTS = 3
"""A slot is given up after so many workers in a row were lost before they were ready."""
JOIN_SECONDS = 10.0


class Worker(Protocol):
    """A worker as its supervisor sees it.

    `build`, `give` and `reply` raise WorkerLostError, and UserError as adapters do. All methods
    but `kill` are called in the supervisor's thread only.
    """

    def build(self) -> Built:
        """Wait until the worker has loaded the model."""

    def give(self, task: Task) -> None:
        """Let the worker start decoding a video."""

    def reply(self) -> Reply:
        """Wait for the answers about the oldest video that it holds."""

    def kill(self) -> None:
        """End the worker at once; a pending `build` or `reply` raises WorkerLostError."""

    def close(self) -> None:
        """End the worker when nothing is pending, and release its resources here."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for a worker: its name, and what starts one there (raises WorkerLostError)."""

    name: str
    start: Callable[[], Worker]


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A worker has loaded its model."""

    built: Built


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A reply from the `number`-th worker of a slot."""

    slot: str
    number: int
    reply: Reply


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A worker was lost after it was ready; another one is started."""

    slot: str
    error: WorkerLostError
    loss: Loss


@dataclass(frozen=True, kw_only=True)
class GivenUp:
    """No worker can be started in a slot."""

    slot: str
    error: WorkerLostError


Event = Ready | Answered | Lost | GivenUp | BaseException
"""What a supervisor reports; an exception ends the run."""


class Supervisor:
    """Keeps a worker running in one slot, in its own thread, and reports every event."""

    def __init__(self, slot: Slot, queue: TaskQueue, report: Callable[[Event], None]) -> None:
        self._slot, self._queue, self._report = slot, queue, report
        self._lock = Lock()
        self._worker: Worker | None = None
        self._stopping = False
        self._number = 0
        self._thread = Thread(target=self._supervise, name=slot.name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the worker at once; the thread ends too when the queue is closed."""
        with self._lock:
            self._stopping = True
            if self._worker:
                self._worker.kill()

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join(JOIN_SECONDS)

    def _supervise(self) -> None:
        failures = 0
        try:
            while failures < STARTS and not self._stopping:
                failures = failures + 1 if self._run_worker(last=failures == STARTS - 1) else 0
        except Exception as error:  # the driver raises it: an exception in a thread is lost
            self._report(error)

    def _run_worker(self, *, last: bool) -> bool:
        """Run one worker from start to end; return whether it was lost before it was ready.

        If it is the `last` attempt, that loss is reported as `GivenUp`.
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
            # The first worker was built with the same options, so they are not at fault: its
            # device did not recover. Not a reason to end the run.
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
        if last and not self._stopping:
            self._report(GivenUp(slot=self._slot.name, error=error))

    def _serve(self, worker: Worker) -> None:
        """Hand the worker videos and report its replies, until it is lost or the run ends."""
        name = self._slot.name
        try:
            while not self._stopping:
                while task := self._queue.take(name):
                    worker.give(task)
                if self._stopping:
                    break
                reply = worker.reply()
                self._queue.done(name)
                self._report(Answered(slot=name, number=self._number, reply=reply))
        except WorkerLostError as error:
            if not self._stopping:
                self._report(Lost(slot=name, error=error, loss=self._queue.leave(name)))

    def _start_worker(self) -> Worker:
        worker = self._slot.start()
        with self._lock:
            self._worker = worker
            if self._stopping:
                worker.kill()
        return worker

    def _close_worker(self, worker: Worker | None) -> None:
        with self._lock:
            self._worker = None
        if worker:
            worker.close()
