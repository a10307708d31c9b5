"""A seat for a worker, and the thread that keeps it: starts a worker, hands it videos, tells.

A worker that is lost is started again; what it held goes back to the board.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Protocol

from vicabench.engine.executors.board import Board, Loss
from vicabench.engine.executors.job import Built, Reply, Task, WorkerLostError

STARTS = 3
"""A worker that is lost so often in a row before its model is loaded is given up."""
JOIN_SECONDS = 10.0


class Worker(Protocol):
    """A worker as its keeper sees it.

    `build`, `give` and `reply` raise WorkerLostError, and the kinds of UserError that adapters
    raise. Only `kill` is called by another thread than the keeper's.
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
class Seat:
    """A place for a worker: its name, and how one is started there (raises WorkerLostError)."""

    name: str
    start: Callable[[], Worker]


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A worker has its model."""

    built: Built


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A reply of the `number`-th worker of a seat."""

    seat: str
    number: int
    reply: Reply


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A worker that had its model is gone, and another one is started."""

    seat: str
    error: WorkerLostError
    loss: Loss


@dataclass(frozen=True, kw_only=True)
class GivenUp:
    """A seat in which no worker can be started."""

    seat: str
    error: WorkerLostError


Event = Ready | Answered | Lost | GivenUp | BaseException
"""What a keeper tells; an exception ends the run."""


class Keeper:
    """Keeps one seat, in a thread of its own, and tells all that happens by `tell`."""

    def __init__(self, seat: Seat, board: Board, tell: Callable[[Event], None]) -> None:
        self._seat, self._board, self._tell = seat, board, tell
        self._lock = Lock()
        self._worker: Worker | None = None
        self._left = False
        self._number = 0
        self._thread = Thread(target=self._keep, name=seat.name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the worker at once; the thread ends too, once the board is closed."""
        with self._lock:
            self._left = True
            if self._worker:
                self._worker.kill()

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join(JOIN_SECONDS)

    def _keep(self) -> None:
        failures = 0
        try:
            while failures < STARTS and not self._left:
                failures = failures + 1 if self._employ(last=failures == STARTS - 1) else 0
        except Exception as error:  # a thread's own exceptions would be seen by nobody
            self._tell(error)

    def _employ(self, *, last: bool) -> bool:
        """One worker, from its start to its end; returns whether it was lost before it was ready.

        If it is the `last` that is tried, its loss is told as giving up.
        """
        self._number += 1
        worker: Worker | None = None
        try:
            worker = self._started()
            built = worker.build()
        except WorkerLostError as error:
            if last and not self._left:
                self._tell(GivenUp(seat=self._seat.name, error=error))
            return True
        else:
            self._board.join(self._seat.name)
            self._tell(Ready(built=built))
            self._serve(worker)
            return False
        finally:
            self._dismiss(worker)

    def _serve(self, worker: Worker) -> None:
        """Hand the worker videos and tell its replies, until it is lost or all is over."""
        name = self._seat.name
        try:
            while not self._left:
                while task := self._board.take(name):
                    worker.give(task)
                if self._left:
                    break
                reply = worker.reply()
                self._board.done(name)
                self._tell(Answered(seat=name, number=self._number, reply=reply))
        except WorkerLostError as error:
            if not self._left:
                self._tell(Lost(seat=name, error=error, loss=self._board.leave(name)))

    def _started(self) -> Worker:
        worker = self._seat.start()
        with self._lock:
            self._worker = worker
            if self._left:
                worker.kill()
        return worker

    def _dismiss(self, worker: Worker | None) -> None:
        with self._lock:
            self._worker = None
        if worker:
            worker.close()
