"""One run, from a benchmark and a model's name to a folder of predictions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NoReturn, Protocol

from vicabench import ending
from vicabench.engine.frame_cache import sampling_with
from vicabench.engine.loop import Decoding, InterruptedVideo
from vicabench.engine.shards import refuse_other_part
from vicabench.engine.timing import Timing
from vicabench.engine.workers.local import Executor, InProcessExecutor, JobRunner
from vicabench.engine.workers.messages import Built, Job
from vicabench.errors import ConfigError
from vicabench.predictions import Prediction
from vicabench.results.plan import (
    ByVideo,
    asked_record,
    owed,
    plan_record,
    refuse_fewer_repeats,
    refuse_to_shrink,
    repeated,
)
from vicabench.results.store import ASKED_AS, ERRORS, TIMING, RunConfig, RunFolder, provenance
from vicabench.types import Benchmark, ModelOptions, Question

LOGGERS = ("vicabench", "vica")


class LogBridge(logging.Handler):
    """Passes the text of warnings on; errors are shown with the answers that they cost."""

    def __init__(self, warned: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warned = warned

    def emit(self, record: logging.LogRecord) -> None:
        """Pass the text on if the record is a warning."""
        if record.levelno == logging.WARNING:
            self._warned(record.getMessage())


@contextmanager
def log_handlers(*handlers: logging.Handler) -> Iterator[None]:
    """Attach handlers to our loggers for the block."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger, handler in product(loggers, handlers):
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, handler in product(loggers, handlers):
            logger.removeHandler(handler)


DEFAULTS = ModelOptions()
IN_PROCESS = InProcessExecutor()
SPEED = ("group_size", "vision_batch", "compile", "tensor_parallel", "gpu_memory")
"""Options that change speed and memory only; recorded with each start."""


class Display(Protocol):
    """Shows the progress of a run; called in the thread of `run`."""

    def started(self, owed: ByVideo, done: Sequence[Prediction], torn: int) -> None:
        """What will be asked, what is already done, and how many bytes of a torn line were cut."""

    def answered(self, predictions: Sequence[Prediction]) -> None:
        """The predictions of a video, after they were written to disk."""

    def warned(self, text: str) -> None:
        """A problem that costs no answer."""

    def timed(self, timing: Timing) -> None:
        """How the time was spent, also after an interrupted run."""

    def given_up(self, text: str) -> NoReturn:
        """Why the run ends here, after the answers were written to disk; ends the process."""


def run(
    benchmark: Benchmark,
    selected: Sequence[Question],
    *,
    model: str,
    folder: Path,
    decoding: Decoding | None,
    seed: int = 0,
    options: ModelOptions = DEFAULTS,
    retry_errors: bool = False,
    executor: Executor = IN_PROCESS,
    part: Mapping[str, Any] | None = None,
    repeat: str | None = None,
    asked_as: Mapping[str, Any] | None = None,
    repeats: int = 1,
    answer_seconds: float | None = None,
    display: Display,
) -> None:
    """Ask every selected question that the run folder does not answer yet.

    Only this process writes the run folder, whatever the executor. When Ctrl-C interrupts a
    video, the answers it has by then are kept.

    Args:
        part: The record of the shard, if the selected questions are those of one.
        repeat: The options that repeat this run, kept in `run.yaml`; None to keep none.
        asked_as: The record of a preset, which becomes part of the configuration.
        repeats: How many replies each question gets.
        answer_seconds: The time limit for a video: then this process, or the worker, ends.

    Raises:
        UserError: As adapters and run folders raise it.
    """
    job = Job(
        model=model,
        benchmark=benchmark,
        decoding=decoding,
        seed=seed,
        options=options,
        folder=Path.cwd(),
        answer_seconds=answer_seconds,
        asked_as=asked_as,
    )
    with executor.open(job, display.warned) as runner, _opened(folder, job, runner.built) as store:
        refuse_other_part(folder, part)
        done = store.predictions()
        refuse_to_shrink(selected, store.planned() | {p.question.id for p in done})
        _refuse_repeats(repeats, job, runner.built, store)
        todo = owed(repeated(selected, repeats), done, retry_errors=retry_errors)
        start = _start(job, runner) | {"asked": asked_record(selected, todo, repeats)}
        store.describe(_plan(benchmark, selected, part, repeats), start, repeat)
        display.started(todo, done, store.torn)
        videos = runner.answer(todo, partial(_overdue, store, display.given_up))
        account = _accounted(store, runner, str(start["started"]), display)
        with account, closing(videos), _log_to(store, display.warned):
            _write_predictions(store, videos, display.answered)


def _start(job: Job, runner: JobRunner) -> dict[str, Any]:
    """What is recorded of a start, whatever is asked in it."""
    execution = {**_execution(runner.built, job.seen_by(runner.built)), **runner.record}
    return provenance() | {"options": asdict(job.options), "execution": execution}


def _refuse_repeats(repeats: int, job: Job, built: Built, store: RunFolder) -> None:
    """Refuse fewer repeats than before, and those of a model with one reply to a question.

    Raises:
        ConfigError, RunFolderError: If so.
    """
    refuse_fewer_repeats(repeats, store.repeats())
    if repeats > 1 and not built.samples:
        raise ConfigError(
            f"--repeats {repeats}: as it is asked, {job.model} gives a question the same reply "
            "every time. Draw replies with --temperature, where the model takes it, or leave out "
            "--repeats."
        )


def _plan(
    benchmark: Benchmark,
    selected: Sequence[Question],
    part: Mapping[str, Any] | None,
    repeats: int,
) -> dict[str, Any]:
    """The plan with the tasks and the errata of the benchmark, for the readers of its scores."""
    about = {"errata": list(benchmark.errata)} if benchmark.errata else None
    return plan_record(selected, part, benchmark.rubric, about, repeats)


def _write_predictions(
    store: RunFolder,
    videos: Iterator[list[Prediction]],
    answered: Callable[[Sequence[Prediction]], None],
) -> None:
    """Write the predictions of every video, and of an interrupted one those it has."""
    with ending.held():
        try:
            for predictions in videos:
                store.append(predictions)
                answered(predictions)
        except InterruptedVideo as interrupted:
            if interrupted.predictions:  # they may have been paid for
                store.append(interrupted.predictions)
            raise


def _opened(folder: Path, job: Job, built: Built) -> RunFolder:
    """The run folder of a job, as a context manager.

    Raises:
        ConfigError: For a model that needs frames, with --no-video.
    """
    if job.decoding is None and built.needs_video:
        raise ConfigError(
            f"{job.model} answers from the video, so it cannot run with --no-video. "
            "That option is for adapters that do not look at the video."
        )
    return RunFolder(folder, _config(job.seen_by(built), built), job.benchmark.rubric)


def _overdue(
    store: RunFolder, given_up: Callable[[str], NoReturn], predictions: Sequence[Prediction]
) -> NoReturn:
    """Write the predictions of a video that took too long, and end the run."""
    reason = (
        f"The adapter took longer than --answer-timeout over {predictions[0].question.video} and "
        "cannot be stopped, so the run ends here. Its answers are kept; the other questions about "
        "this video are recorded as failed. The same command continues with the next video; with "
        "--retry-errors it asks these questions again."
    )
    try:
        store.append(predictions)
    except Exception as error:  # the adapter hangs, so the process must end in any case
        reason = str(error)
    given_up(reason)


class _Log(logging.Handler):
    """Adds lines to the log in the run folder; warns if it cannot be written."""

    def __init__(self, store: RunFolder, warned: Callable[[str], None]) -> None:
        super().__init__()
        self._store, self._warned = store, warned

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._store.note(ERRORS, self.format(record) + "\n")
        except Exception as error:  # results matter more than the log
            self._warned(f"{self._store.path / ERRORS} cannot be written: {error}")


@contextmanager
def _log_to(store: RunFolder, warned: Callable[[str], None]) -> Iterator[None]:
    """Log tracebacks of failing adapters, and all warnings, in the run folder.

    Warnings are also passed to `warned`.
    """
    with log_handlers(_Log(store, warned), LogBridge(warned)):
        yield


@contextmanager
def _accounted(
    store: RunFolder,
    runner: JobRunner,
    started: str,
    display: Display,
) -> Iterator[None]:
    """Show and record how the time was spent, however the block ends."""
    try:
        yield
    finally:
        timing = runner.timing()
        if timing:
            try:
                store.note_timing({"started": started, **asdict(timing), "other": timing.other})
            except OSError as error:  # results matter more than timings
                display.warned(f"{store.path / TIMING} cannot be written: {error.strerror}")
            display.timed(timing)


def _execution(built: Built, job: Job) -> dict[str, Any]:
    """Settings of a start that change its speed, but in exact arithmetic no answer."""
    decoding = job.decoding
    record = {name: getattr(job.options, name) for name in SPEED if name in built.accepts_options}
    if built.device:
        record["device"] = built.device
    if decoding:
        record["workers"], record["prefetch"] = decoding.workers, decoding.prefetch
        record["frame_cache"] = decoding.cache is not None
        record["decoder"] = decoding.decoder
    return record


def sampling_of(decoding: Decoding | None) -> str:
    """How frames are chosen, as a run's configuration has it."""
    return sampling_with(decoding.decoder, decoding.frames) if decoding else "none"


def _config(job: Job, built: Built) -> RunConfig:
    benchmark = job.benchmark
    preset = {} if job.asked_as is None else {ASKED_AS: job.asked_as}
    return RunConfig(
        model=job.model,
        adapter={**built.settings, **preset},
        benchmark=benchmark.name,
        subset=benchmark.subset,
        revision=benchmark.revision,
        frames=job.decoding.most if job.decoding else 0,
        sampling=sampling_of(job.decoding),
        seed=job.seed,
    )
