"""The driver of a run: collects answers from workers in other processes.

One supervisor per worker reports events; only the driver writes predictions. A lost worker is
started again and its video goes to another one; after `ATTEMPTS` losses the video gets an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any, Self

from vicabench import ending
from vicabench.engine.loop import InterruptedVideo, Overdue, failed
from vicabench.engine.timing import Timing, summed
from vicabench.engine.workers.messages import Built, Reply, Task
from vicabench.engine.workers.supervisor import (
    ATTEMPTS,
    Answered,
    Event,
    GivenUp,
    Lost,
    Ready,
    Slot,
    Supervisor,
    TaskQueue,
)
from vicabench.errors import ConfigError
from vicabench.predictions import Prediction
from vicabench.results.plan import ByVideo

LOG = logging.getLogger("vicabench")
NO_WORKER_SECONDS = 60.0
"""Time without a ready worker after which the user is warned."""
POLL_SECONDS = 0.1
"""How often the driver looks for a signal to end while it waits for events."""


class Scheduler:
    """Runs a job on workers; a context manager that starts them, and ends them on leaving.

    Args:
        slots: The places for workers, one each.
        record: What `config.json` records about the workers.
        ahead: How many videos a worker holds beyond the one that it answers.
        warned: Receives a line for every lost worker, and `waiting`.
        waiting: The warning after a minute without a ready worker.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        record: Mapping[str, Any],
        ahead: int,
        warned: Callable[[str], None],
        waiting: str,
    ) -> None:
        self.record = record
        self._warned, self._waiting = warned, waiting
        self._queue = TaskQueue(ahead)
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._supervisors = [Supervisor(slot, self._queue, self._events.put) for slot in slots]
        self._slots = len(slots)
        self._built: Built | None = None
        self._timings: dict[tuple[str, int], Timing] = {}
        self._start: float | None = None
        self._videos = self._questions = 0

    def __enter__(self) -> Self:
        for supervisor in self._supervisors:
            supervisor.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for supervisor in self._supervisors:
            supervisor.stop()
        self._queue.close()
        for supervisor in self._supervisors:
            supervisor.join()

    @property
    def built(self) -> Built:
        """What the adapter is like; waits for the first worker that has built it.

        Raises:
            UserError: For an adapter that cannot be built.
            ConfigError: If no worker can be started.
        """
        while self._built is None:
            self._handle(self._next_event())
        return self._built

    def answer(
        self,
        todo: ByVideo,
        overdue: Overdue,  # noqa: ARG002  (a worker that takes too long is lost)
    ) -> Generator[list[Prediction], None, None]:
        """Yield the predictions of one video after another, as workers return them.

        Raises:
            UserError: As the adapters raise it.
            ConfigError: If no worker can be started any more.
        """
        self._start = perf_counter()
        self._queue.put(Task(video=name, questions=tuple(todo[name])) for name in todo)
        while self._videos < len(todo):
            if predictions := self._handle(self._next_answer()):
                self._videos += 1
                self._questions += len(predictions)
                yield predictions

    def timing(self) -> Timing | None:
        """The sums over all workers; None before the first video is done."""
        if self._start is None or not self._timings:
            return None
        total = summed(
            list(self._timings.values()),
            wall=perf_counter() - self._start,
            processes=len({slot for slot, _ in self._timings}),
        )
        return replace(total, videos=self._videos, questions=self._questions)

    def _next_answer(self) -> Event:
        """Wait for an event; when the run is interrupted, pass on all answers that have arrived."""
        try:
            return self._next_event()
        except KeyboardInterrupt:
            raise InterruptedVideo(self._pending_predictions()) from None

    def _pending_predictions(self) -> list[Prediction]:
        """Take the predictions of all replies that are still in the event queue."""
        predictions: list[Prediction] = []
        with suppress(Empty):
            while True:
                event = self._events.get_nowait()
                if isinstance(event, Answered):
                    predictions += self._record_reply(event)
        return predictions

    def _next_event(self) -> Event:
        waited = 0.0
        while True:
            ending.check()  # only here: an interrupted `get` could lose the event it has taken
            try:
                return self._events.get(timeout=POLL_SECONDS)
            except Empty:
                waited += POLL_SECONDS
            if waited >= NO_WORKER_SECONDS and not self._queue.workers:
                self._warned(self._waiting)
                waited = 0.0

    def _handle(self, event: Event) -> list[Prediction]:
        """Record an event; return the predictions of a video if the event settles one."""
        if isinstance(event, Answered):
            return self._record_reply(event)
        if isinstance(event, Lost):
            return self._record_loss(event)
        if isinstance(event, Ready):
            self._accept_worker(event.built)
        elif isinstance(event, GivenUp):
            self._drop_slot(event)
        else:
            raise event
        return []

    def _record_reply(self, event: Answered) -> list[Prediction]:
        reply: Reply = event.reply
        for line in reply.log_lines:
            line.log()
        if reply.timing:
            self._timings[event.slot, event.number] = reply.timing
        return list(reply.predictions)

    def _accept_worker(self, built: Built) -> None:
        """Record what a worker has built.

        Raises:
            ConfigError: If it would not answer as the first worker does.
        """
        first = self._built = self._built or built
        if built.version != first.version:
            raise ConfigError(
                f"vicabench is {first.version} on {first.machine} and {built.version} on "
                f"{built.machine}: install the same version on every machine."
            )
        names = {*first.settings, *built.settings}
        differing = sorted(n for n in names if first.settings.get(n) != built.settings.get(n))
        if differing:
            raise ConfigError(
                f"The workers on {first.machine} and {built.machine} would give different "
                f"answers: they differ in {', '.join(differing)}. Use the same checkpoint and "
                "kind of device."
            )

    def _record_loss(self, event: Lost) -> list[Prediction]:
        LOG.error("%s: %s\n%s", event.slot, event.error, event.error.output)
        task, final = event.loss.task, event.loss.final
        if task and final:
            return failed(task.questions, f"worker: {event.error}, in {ATTEMPTS} attempts")
        remedy = f"{task.video} is asked again" if task else "it is started again"
        self._warned(f"{event.slot}: {event.error}; {remedy}")
        return []

    def _drop_slot(self, event: GivenUp) -> None:
        LOG.error("%s: %s\n%s", event.slot, event.error, event.error.output)
        self._slots -= 1
        if not self._slots:
            raise ConfigError(
                f"No worker can be started. {event.slot}: {event.error}. What was answered is "
                "kept; the same command continues."
            )
        self._warned(f"{event.slot}: {event.error}; the run continues without it")
