"""The default: questions are answered in the process of `vicabench run` itself."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, closing
from types import TracebackType
from typing import Any, Protocol, Self

from vicabench.engine.executors.job import Built, Job
from vicabench.engine.loop import answer_videos
from vicabench.engine.patience import Overdue, Patience
from vicabench.engine.plan import ByVideo
from vicabench.engine.timing import Clock, Timing
from vicabench.results.predictions import Prediction
from vicabench.types import Adapter


class Team(Protocol):
    """Whoever answers a job's questions, ready to; `answer` is called once."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What `config.json` keeps of it, with every start."""

    @property
    def built(self) -> Built:
        """What the adapter is like. Raises the kinds of UserError that adapters raise."""

    def answer(self, todo: ByVideo, overdue: Overdue) -> Generator[list[Prediction], None, None]:
        """Yield the predictions about one video after another, in any order of the videos.

        A video that takes this process longer than the job allows is told by `overdue`; a worker
        elsewhere is lost over it.
        """

    def timing(self) -> Timing | None:
        """How the time was spent up to now; None if no video is done."""


class Executor(Protocol):
    """Gives a team for a job."""

    def open(self, job: Job, warned: Callable[[str], None]) -> AbstractContextManager[Team]:
        """A team, which ends with the block; `warned` is told what costs no answer."""


class Here:
    """Gives a team of one: the adapter in this process, which is built unless it is given."""

    def __init__(self, adapter: Adapter | None = None) -> None:
        self._adapter = adapter

    def open(self, job: Job, warned: Callable[[str], None]) -> Alone:
        """Build the adapter. Raises the kinds of UserError that adapters raise."""
        return Alone(job, self._adapter or job.build(), warned)


class Alone:
    """The adapter of a job, in this process."""

    def __init__(self, job: Job, adapter: Adapter, warned: Callable[[str], None]) -> None:
        self._job, self._adapter, self._warned = job, adapter, warned
        self._clock: Clock | None = None
        self.built = Built.of(self._adapter)
        self.record: Mapping[str, Any] = {}  # that is how runs are made unless something is said

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def answer(self, todo: ByVideo, overdue: Overdue) -> Generator[list[Prediction], None, None]:
        """Yield the predictions about one video after another, in order."""
        job = self._job
        patience = Patience(seconds=job.answer_seconds, overdue=overdue)
        self._clock = clock = job.clock(self._adapter, self._warned)
        videos = answer_videos(
            job.benchmark,
            todo,
            self._adapter,
            job.decoding,
            patience=patience,
            clock=clock,
            warned=self._warned,
        )
        with closing(videos):
            for predictions in videos:
                clock.count(predictions)
                yield predictions

    def timing(self) -> Timing | None:
        """How the time was spent up to now."""
        return self._clock.timing() if self._clock else None
