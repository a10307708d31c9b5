"""What the driver of a run and its workers say to each other; all of it can be pickled."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import vicabench
from vicabench import errors
from vicabench.adapters import build_adapter
from vicabench.adapters.abilities import NamesDevice, TakesOptions
from vicabench.engine.loop import Decoding
from vicabench.engine.timing import Clock, Timing
from vicabench.errors import UserError
from vicabench.predictions import Prediction
from vicabench.types import Adapter, AdapterContext, Benchmark, ModelOptions, Question


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be built wherever questions are answered.

    `folder` is where the run was started: paths in `model` are relative to it. `decoding` is
    None for `--no-video`, and `answer_seconds`, for a video, None for any time.
    """

    model: str
    benchmark: Benchmark
    decoding: Decoding | None
    seed: int
    options: ModelOptions
    folder: Path
    answer_seconds: float | None = None

    def build(self, placed: str | None = None) -> Adapter:
        """The adapter, on the device `placed` if it is one that knows devices.

        Raises the kinds of UserError that adapters raise.
        """
        context = AdapterContext(
            benchmark=self.benchmark,
            seed=self.seed,
            frames=self.decoding.frames if self.decoding else 0,
            options=self.options,
        )
        return build_adapter(self.model, context, placed=placed)

    def clock(self, adapter: Adapter, warned: Callable[[str], None]) -> Clock:
        """A clock for answering, which starts now."""
        decoding = self.decoding
        return Clock(
            adapter,
            workers=decoding.workers if decoding else 0,
            cache=decoding is not None and decoding.cache is not None,
            warned=warned,
        )


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a run has to know of an adapter, wherever it is.

    `device` is what it runs on as its maker calls it, None if unknown.
    """

    settings: Mapping[str, Any]
    needs_video: bool
    accepts_options: tuple[str, ...]
    device: str | None
    machine: str
    version: str

    @classmethod
    def of(cls, adapter: Adapter) -> Self:
        """What is to be known of this adapter, which is here."""
        device = adapter.device_name if isinstance(adapter, NamesDevice) else None
        accepted = adapter.accepts_options if isinstance(adapter, TakesOptions) else ()
        return cls(
            settings=dict(adapter.settings),
            needs_video=adapter.needs_video,
            accepts_options=tuple(accepted),
            device=None if device is None else str(device),
            machine=platform.node(),
            version=vicabench.__version__,
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """A video and what is asked about it."""

    video: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line of a worker's log: the name of the logger, the level, and the text, trace included."""

    logger: str
    level: int
    text: str

    def log(self) -> None:
        """Log it here as it was logged there."""
        logging.getLogger(self.logger).log(self.level, "%s", self.text)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answers about one video, what was logged since the last ones, and all the time so far."""

    predictions: Sequence[Prediction]
    log_lines: Sequence[LogLine]
    timing: Timing | None


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A UserError, as it crosses between processes."""

    kind: str
    text: str

    @classmethod
    def of(cls, error: UserError) -> Self:
        """What this error says, and the nearest of our own kinds that it is of."""
        ours = (kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        return cls(kind=next(ours).__name__, text=str(error))

    def error(self) -> UserError:
        """The error again."""
        found: UserError = getattr(errors, self.kind)(self.text)
        return found


class WorkerLostError(Exception):
    """A worker ended, or cannot be reached any more; says how. `words` is what it last wrote."""

    def __init__(self, how: str, words: str = "") -> None:
        super().__init__(how)
        self.words = words
