"""One run, from a benchmark and a model's name to a folder of predictions."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NoReturn

from vicabench.adapters import build_adapter
from vicabench.config import RunConfig
from vicabench.engine.frames import SAMPLING
from vicabench.engine.loop import Decoding, answer_videos
from vicabench.engine.patience import Patience
from vicabench.engine.plan import (
    ByVideo,
    asked_record,
    owed,
    plan_record,
    refuse_to_shrink,
)
from vicabench.engine.provenance import provenance
from vicabench.engine.timing import Clock, Timing
from vicabench.errors import ConfigError
from vicabench.predictions import Prediction
from vicabench.store import TIMING, RunFolder
from vicabench.types import Adapter, AdapterContext, Benchmark, ModelOptions, Question

DEFAULTS = ModelOptions()
SPEED = ("group_size", "vision_batch", "compile")
"""Options that are about speed and memory; what a start was made with, beside its versions."""


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
    answer_seconds: float | None = None,
    given_up: Callable[[str], NoReturn],
    started: Callable[[ByVideo, Sequence[Prediction], int], None],
    answered: Callable[[Sequence[Prediction]], None],
    warned: Callable[[str], None],
    timed: Callable[[Timing], None],
) -> None:
    """Ask every selected question that the run folder does not answer yet.

    Calls `started` with what is owed, what is there and the bytes of a torn line that were cut,
    then `answered` with the predictions of each video once they are safe on disk, `warned` with
    what may be wrong but costs no answer, and at the end, also of an interrupted run, `timed`
    with how the time was spent. An adapter that takes longer than `answer_seconds` over a video
    ends the run: `given_up` is told so, once that is safe on disk, and ends the process. Raises
    the kinds of UserError that adapters and run folders raise.
    """
    frames = decoding.frames if decoding else 0
    context = AdapterContext(benchmark=benchmark, seed=seed, frames=frames, options=options)
    adapter = build_adapter(model, context)
    _refuse_blindness(model, adapter, decoding)
    config = _config(benchmark, model, adapter, decoding, seed)
    with RunFolder(folder, config) as store:
        done = store.predictions()
        refuse_to_shrink(selected, store.planned() | {p.question.id for p in done})
        todo = owed(selected, done, retry_errors=retry_errors)
        start = provenance() | {
            "options": asdict(options),
            "execution": _execution(adapter, decoding, options),
            "asked": asked_record(selected, todo),
        }
        store.describe(plan_record(selected), start)
        started(todo, done, store.torn)
        clock = _clock(adapter, decoding, warned)
        patience = Patience(seconds=answer_seconds, overdue=partial(_overdue, store, given_up))
        videos = answer_videos(
            benchmark, todo, adapter, decoding, patience=patience, clock=clock, warned=warned
        )
        account = _accounted(store, clock, str(start["started"]), warned, timed)
        with account, closing(videos), _log_to(folder, warned):
            for predictions in videos:
                store.append(predictions)
                clock.count(predictions)
                answered(predictions)


def _clock(adapter: Adapter, decoding: Decoding | None, warned: Callable[[str], None]) -> Clock:
    return Clock(
        adapter,
        workers=decoding.workers if decoding else 0,
        cache=decoding is not None and decoding.cache is not None,
        warned=warned,
    )


def _overdue(
    store: RunFolder, given_up: Callable[[str], NoReturn], predictions: Sequence[Prediction]
) -> NoReturn:
    """Keep what there is of a video that takes too long, and give up."""
    said = (
        f"The adapter took longer than --answer-timeout over {predictions[0].question.video}, and "
        "cannot be stopped: the run ends here. What it has answered is kept, the rest of this "
        "video is recorded as failed. The same command goes on with the next video, and with "
        "--retry-errors asks this one again."
    )
    try:
        store.append(predictions)
    except Exception as error:  # whatever it is, the other thread hangs and the process must end
        said = str(error)
    given_up(said)


class _Telling(logging.Handler):
    """Passes on the text of warnings; errors are told with the answers that they cost."""

    def __init__(self, warned: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warned = warned

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            self._warned(record.getMessage())


class _Log(logging.FileHandler):
    """A log file that begins with its first line; where it cannot be written, that is warned of."""

    def __init__(self, path: Path, warned: Callable[[str], None]) -> None:
        super().__init__(path, delay=True, encoding="utf-8", errors="backslashreplace")
        self._warned = warned

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # opening it failed
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  (logging's name)
        self._warned(f"{self.baseFilename} cannot be written: {sys.exc_info()[1]}")

    def close(self) -> None:
        with suppress(OSError):  # what a full disk did not take was warned of
            super().close()


@contextmanager
def _log_to(folder: Path, warned: Callable[[str], None]) -> Iterator[None]:
    """Keep in the run folder the tracebacks of failing adapters, and what we and `vica` warn of.

    Warnings are passed on to `warned` as well.
    """
    file = _Log(folder / "errors.log", warned)
    handlers: tuple[logging.Handler, ...] = (file, _Telling(warned))
    loggers = [logging.getLogger(name) for name in ("vicabench", "vica")]
    for logger, handler in product(loggers, handlers):
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, handler in product(loggers, handlers):
            logger.removeHandler(handler)
        file.close()


@contextmanager
def _accounted(
    store: RunFolder,
    clock: Clock,
    started: str,
    warned: Callable[[str], None],
    timed: Callable[[Timing], None],
) -> Iterator[None]:
    """Say and keep how the time was spent, however the block ends."""
    try:
        yield
    finally:
        timing = clock.timing()
        if timing:
            try:
                store.note_timing({"started": started, **asdict(timing), "other": timing.other})
            except OSError as error:  # it is no result
                warned(f"{store.path / TIMING} cannot be written: {error.strerror}")
            timed(timing)


def _execution(
    adapter: Adapter, decoding: Decoding | None, options: ModelOptions
) -> dict[str, Any]:
    """What a start was made with that changes its speed, but no answer in exact arithmetic."""
    accepted = getattr(adapter, "accepts_options", ())
    record = {name: getattr(options, name) for name in SPEED if name in accepted}
    if device := getattr(adapter, "device_name", None):
        record["device"] = str(device)
    if decoding:
        record["workers"], record["prefetch"] = decoding.workers, decoding.prefetch
        record["frame_cache"] = decoding.cache is not None
    return record


def _refuse_blindness(model: str, adapter: Adapter, decoding: Decoding | None) -> None:
    if decoding is None and adapter.needs_video:
        raise ConfigError(
            f"{model} answers from the video, so it cannot run with --no-video. "
            "That option is for baselines and replays, which never look."
        )


def _config(
    benchmark: Benchmark, model: str, adapter: Adapter, decoding: Decoding | None, seed: int
) -> RunConfig:
    return RunConfig(
        model=model,
        adapter=dict(adapter.settings),
        benchmark=benchmark.name,
        subset=benchmark.subset,
        revision=benchmark.revision,
        frames=decoding.frames if decoding else 0,
        sampling=SAMPLING if decoding else "none",
        seed=seed,
    )
