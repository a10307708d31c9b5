"""A team of workers elsewhere, as the driver of a run sees it.

The keepers of the workers tell what happens; only the driver writes. A worker that is lost is
started again, and its video answered by another one; after `ATTEMPTS` losses the video has an
error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from vicabench import ending
from vicabench.engine.loop import InterruptedVideo, Overdue, failed
from vicabench.engine.timing import Timing, summed
from vicabench.engine.workers.messages import Built, Reply, Task
from vicabench.engine.workers.supervisor import (
    ATTEMPTS,
    Answered,
    Board,
    Event,
    GivenUp,
    Keeper,
    Lost,
    Ready,
    Seat,
)
from vicabench.errors import ConfigError
from vicabench.predictions import Prediction
from vicabench.results.plan import ByVideo

LOG = logging.getLogger("vicabench")
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.1


class Crew:
    """Workers in their seats; a context manager that starts them, and ends them on leaving.

    `record` is what `config.json` keeps of them.
    Each holds at most `ahead` videos beyond the one that it answers. `warned` is told of losses,
    and `waiting` when no worker is ready for long.
    """

    def __init__(
        self,
        seats: Sequence[Seat],
        *,
        record: Mapping[str, Any],
        ahead: int,
        warned: Callable[[str], None],
        waiting: str,
    ) -> None:
        self.record = record
        self._warned, self._waiting = warned, waiting
        self._board = Board(ahead)
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._keepers = [Keeper(seat, self._board, self._events.put) for seat in seats]
        self._seats = len(seats)
        self._built: Built | None = None
        self._timings: dict[tuple[str, int], Timing] = {}
        self._begun: float | None = None
        self._videos = self._questions = 0

    def __enter__(self) -> Self:
        for keeper in self._keepers:
            keeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for keeper in self._keepers:
            keeper.stop()
        self._board.close()
        for keeper in self._keepers:
            keeper.join()

    @property
    def built(self) -> Built:
        """What the adapter is like, as soon as the first worker has one.

        Raises the kinds of UserError that adapters raise, and ConfigError if no worker is left.
        """
        while self._built is None:
            self._handle(self._next_event())
        return self._built

    def answer(
        self,
        todo: ByVideo,
        overdue: Overdue,  # noqa: ARG002  (a worker that takes too long is lost)
    ) -> Generator[list[Prediction], None, None]:
        """Yield the predictions about one video after another, as they come.

        Raises the kinds of UserError that adapters raise, and ConfigError if no worker is left.
        """
        self._begun = perf_counter()
        self._board.put(Task(video=name, questions=tuple(todo[name])) for name in todo)
        while self._videos < len(todo):
            if predictions := self._handle(self._next_answer()):
                self._videos += 1
                self._questions += len(predictions)
                yield predictions

    def timing(self) -> Timing | None:
        """The sums over all workers; None if no video is done."""
        if self._begun is None or not self._timings:
            return None
        found = summed(
            list(self._timings.values()),
            wall=perf_counter() - self._begun,
            processes=len({seat for seat, _ in self._timings}),
        )
        return replace(found, videos=self._videos, questions=self._questions)

    def _next_answer(self) -> Event:
        """The next event; of a run that is to end all answers that are there by now."""
        try:
            return self._next_event()
        except KeyboardInterrupt:
            raise InterruptedVideo(self._there()) from None

    def _there(self) -> list[Prediction]:
        """The predictions of all that workers have told, and nobody has taken yet."""
        found: list[Prediction] = []
        with suppress(Empty):
            while True:
                event = self._events.get_nowait()
                if isinstance(event, Answered):
                    found += self._note(event)
        return found

    def _next_event(self) -> Event:
        waited = 0.0
        while True:
            ending.check()  # not while waiting: what just came would be lost
            try:
                return self._events.get(timeout=LOOK_SECONDS)
            except Empty:
                waited += LOOK_SECONDS
            if waited >= PATIENCE_SECONDS and not self._board.workers:
                self._warned(self._waiting)
                waited = 0.0

    def _handle(self, event: Event) -> list[Prediction]:
        """Take note of an event; the predictions about a video if it settles one."""
        if isinstance(event, Answered):
            return self._note(event)
        if isinstance(event, Lost):
            return self._mourn(event)
        if isinstance(event, Ready):
            self._welcome(event.built)
        elif isinstance(event, GivenUp):
            self._do_without(event)
        else:
            raise event
        return []

    def _note(self, event: Answered) -> list[Prediction]:
        reply: Reply = event.reply
        for told in reply.told:
            told.log()
        if reply.timing:
            self._timings[event.seat, event.number] = reply.timing
        return list(reply.predictions)

    def _welcome(self, built: Built) -> None:
        """ConfigError if this worker would not answer as the first does."""
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
                f"The workers on {first.machine} and {built.machine} would not answer alike: they "
                f"differ in {', '.join(differing)}. Use the same checkpoint and kind of device."
            )

    def _mourn(self, event: Lost) -> list[Prediction]:
        LOG.error("%s: %s\n%s", event.seat, event.error, event.error.words)
        task, final = event.loss.task, event.loss.final
        if task and final:
            return failed(task.questions, f"worker: {event.error}, in {ATTEMPTS} attempts")
        again = f"{task.video} is asked again" if task else "it is started again"
        self._warned(f"{event.seat}: {event.error}; {again}")
        return []

    def _do_without(self, event: GivenUp) -> None:
        LOG.error("%s: %s\n%s", event.seat, event.error, event.error.words)
        self._seats -= 1
        if not self._seats:
            raise ConfigError(
                f"No worker can be started. {event.seat}: {event.error}. What was answered is "
                "kept; the same command continues."
            )
        self._warned(f"{event.seat}: {event.error}; the run goes on without it")
