"""Which messages do the driver of a run and its workers exchange? All of them can be pickled."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import vicabench
from vicabench import errors
from vicabench.adapters import build_adapter
from vicabench.adapters.abilities import NamesDevice, Samples, TakesOptions
from vicabench.engine.loop import Decoding
from vicabench.engine.timing import Clock, Timing
from vicabench.errors import UserError
from vicabench.predictions import Prediction
from vicabench.types import Adapter, AdapterContext, Benchmark, ModelOptions, Question


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that a process needs to build the adapter and answer questions.

    Attributes:
        decoding: None if no video is decoded: `--no-video`, or nobody looks at it.
        folder: Where the run was started; paths in `model` are relative to it.
        answer_seconds: The time limit for answering one video; None for no limit.
        asked_as: The record of a preset that decided the options; None without one.
    """

    model: str
    benchmark: Benchmark
    decoding: Decoding | None
    seed: int
    options: ModelOptions
    folder: Path
    answer_seconds: float | None = None
    asked_as: Mapping[str, Any] | None = None

    def build(self, placed: str | None = None) -> Adapter:
        """Build the adapter, on the device `placed` if the adapter knows devices.

        Raises:
            UserError: If it cannot be built.
        """
        return build_adapter(self.model, self.context, placed=placed)

    @property
    def context(self) -> AdapterContext:
        """What the adapter may know when it is built."""
        rate = self.decoding.frames if self.decoding else 0
        return AdapterContext(
            benchmark=self.benchmark,
            seed=self.seed,
            frames=self.decoding.most if self.decoding else 0,
            fps=0.0 if isinstance(rate, int) else rate.fps,
            options=self.options,
        )

    def seen_by(self, adapter: Adapter | Built) -> Self:
        """This job without decoding, if the adapter never looks at a video."""
        return self if adapter.needs_video else replace(self, decoding=None)

    def clock(self, adapter: Adapter, warned: Callable[[str], None]) -> Clock:
        """Start a clock that measures the answering."""
        decoding = self.decoding
        return Clock(
            adapter,
            workers=decoding.workers if decoding else 0,
            cache=decoding is not None and decoding.cache is not None,
            warned=warned,
        )


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a run needs to know about an adapter that may be in another process.

    Attributes:
        samples: Whether a second reply to a question can be another one.
        device: The product name of the device; None if unknown.
        machine: The host name of the machine.
        version: The version of vicabench there.
    """

    settings: Mapping[str, Any]
    needs_video: bool
    accepts_options: tuple[str, ...]
    samples: bool
    device: str | None
    machine: str
    version: str

    @classmethod
    def of(cls, adapter: Adapter) -> Self:
        """Describe an adapter of this process."""
        device = adapter.device_name if isinstance(adapter, NamesDevice) else None
        accepted = adapter.accepts_options if isinstance(adapter, TakesOptions) else ()
        return cls(
            settings=dict(adapter.settings),
            needs_video=adapter.needs_video,
            accepts_options=tuple(accepted),
            samples=not isinstance(adapter, Samples) or bool(adapter.samples),
            device=None if device is None else str(device),
            machine=platform.node(),
            version=vicabench.__version__,
        )


@dataclass(frozen=True, kw_only=True)
class Task:
    """A video and the questions about it."""

    video: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A record of a worker's log; `text` includes the traceback."""

    logger: str
    level: int
    text: str

    def log(self) -> None:
        """Log the record again in this process."""
        logging.getLogger(self.logger).log(self.level, "%s", self.text)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answers about one video, the log lines since the last reply, and the timing so far."""

    predictions: Sequence[Prediction]
    log_lines: Sequence[LogLine]
    timing: Timing | None


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A UserError in a form that can be sent between processes."""

    kind: str
    text: str

    @classmethod
    def of(cls, error: UserError) -> Self:
        """Record the error's text and the nearest of our classes that it belongs to."""
        ours = (kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        return cls(kind=next(ours).__name__, text=str(error))

    def error(self) -> UserError:
        """Rebuild the error."""
        error: UserError = getattr(errors, self.kind)(self.text)
        return error


class WorkerLostError(Exception):
    """A worker ended or cannot be reached; the message says how, `output` is what it last wrote."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output
