"""The loop over videos, from questions to predictions.

All questions about one video are answered together. A failure of a video or of the adapter becomes
an error record of the questions it affects, and the loop continues. Only a UserError, which the
user must correct, stops it.
"""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, NoReturn, Self, TypeVar

import numpy as np

from vicabench import ending
from vicabench.adapters.abilities import Prepares, Stops
from vicabench.engine.decode import DecodeAhead, Decoded
from vicabench.engine.frame_cache import Count, FrameCache, most_of
from vicabench.engine.timing import Clock
from vicabench.errors import UserError, counted
from vicabench.predictions import LARGEST, Prediction
from vicabench.results.plan import ByVideo
from vicabench.runtime import Countdown
from vicabench.types import Adapter, Answer, Benchmark, Key, Question, Video

Number = TypeVar("Number", int, float)


def sanitize(answer: Answer) -> Answer:
    """Convert an answer to plain Python values, or to an error record that says what is wrong."""
    if answer.error is None and not isinstance(answer.response, str):
        kind = type(answer.response).__name__
        return _rejected(answer, f"the response is {kind}, not a text")
    try:
        return Answer(
            question_id=answer.question_id,
            repeat=_count(answer.repeat) or 0,
            response=answer.response if isinstance(answer.response, str) else None,
            seconds=_seconds(answer.seconds),
            prompt_tokens=_count(answer.prompt_tokens),
            new_tokens=_count(answer.new_tokens),
            stop=None if answer.stop is None else str(answer.stop),
            parts=_parts(answer.parts),
            usage=_usage(answer.usage),
            error=None if answer.error is None else str(answer.error) or "unnamed",
        )
    except (TypeError, ValueError, OverflowError) as error:
        return _rejected(answer, f"a field of its answer cannot be kept: {error}")


def described(error: BaseException) -> str:
    """Describe an exception in one line: `RuntimeError: out of luck`."""
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"
    except Exception:  # an adapter's exception may fail to give its text
        return kind


def _seconds(value: Any) -> float | None:
    return None if value is None else _in_range(_finite(value, "seconds"), "seconds")


def _finite(value: Any, name: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}")
    return number


def _parts(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not all(isinstance(text, str) for item in dict(value).items() for text in item):
        raise TypeError("parts are texts by name")
    return dict(value)


def _usage(value: Any) -> dict[str, str | float] | None:
    if value is None:
        return None
    return {str(name): _plain(each) for name, each in dict(value).items()}


def _plain(value: Any) -> str | float:
    """A text, an integer, or a finite float."""
    if isinstance(value, str):
        return value
    try:
        return operator.index(value)
    except TypeError:
        return _finite(value, "a number of usage")


def _count(value: Any) -> int | None:
    """An int from an integer of any library, such as NumPy or torch."""
    return None if value is None else _in_range(operator.index(value), "a number of tokens")


def _in_range(value: Number, name: str) -> Number:
    """The number, if a prediction with it can be read back."""
    if not 0 <= value <= LARGEST:
        raise ValueError(f"{name} is {value}, not from 0 to {LARGEST}")
    return value


def _rejected(answer: Answer, reason: str) -> Answer:
    why = f"adapter: {reason}"
    return Answer(question_id=answer.question_id, repeat=answer.repeat, error=why)


Overdue = Callable[[Sequence[Prediction]], NoReturn]
"""Writes the predictions of a video that took too long, and ends the process."""


@dataclass(frozen=True, kw_only=True)
class AnswerTimeout:
    """A time limit for an adapter's work on one video.

    Attributes:
        seconds: The limit, without the time in which this process was stopped; None for no limit.
        overdue: Called with the video's predictions when the limit is exceeded, in another thread
            because the adapter still hangs; it writes them and ends the process.
    """

    seconds: float | None
    overdue: Overdue

    @contextmanager
    def limit(self, so_far: Callable[[], Sequence[Prediction]]) -> Iterator[None]:
        """Apply the limit to the block; `so_far` returns the video's predictions at its end.

        A block of compiled code that hangs while it holds the GIL is not noticed.
        """
        if self.seconds is None:
            yield
            return
        over = Lock()  # taken first by the block if it ends in time, else by the timer

        def expire() -> None:
            if over.acquire(blocking=False):
                self.overdue(so_far())

        limit = Countdown(self.seconds, expire)
        limit.start()
        try:
            yield
        finally:
            over.acquire()  # blocks for ever if the timer was first: the process is about to end
            limit.cancel()


class PrepareAhead:
    """The stage after decoding: calls the adapter's `prepare` in one thread, in order of videos.

    A context manager that waits for a running call on leaving. An adapter without `prepare` gets
    its videos as they were decoded.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._prepare = adapter.prepare if isinstance(adapter, Prepares) else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def __call__(self, decoding: Future[Decoded]) -> Future[Decoded]:
        """Prepare a video once it is decoded; an exception in `prepare` becomes its error.

        The future raises UserError as the adapter does, and what the decoding raises.
        """
        if self._prepare is None:
            return decoding
        return self._thread.submit(_prepared, self._prepare, decoding)


def _prepared(prepare: Callable[[Video], Any], decoding: Future[Decoded]) -> Decoded:
    decoded = decoding.result()
    if decoded.frames is None:
        return decoded
    start = monotonic()
    prepared, error = None, None
    try:
        prepared = prepare(decoded.video())
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException as reason:  # an adapter may raise anything
        error = f"adapter: prepare: {described(reason)}"
        logging.getLogger("vicabench").error("%s", decoded.name, exc_info=True)
    return replace(
        decoded,
        frames=None if error else decoded.frames,
        error=error,
        prepared=prepared,
        prepare_seconds=monotonic() - start,
    )


LOG = logging.getLogger("vicabench")


class InterruptedVideo(KeyboardInterrupt):
    """Ctrl-C while a video was being answered; `predictions` are its answers up to then."""

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        super().__init__()
        self.predictions = predictions


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How videos are decoded.

    Attributes:
        frames: Frames per video, or the rule that says how many.
        workers: Decoding processes.
        prefetch: How many videos are decoded beyond the one in use.
        limit_seconds: The time limit for decoding one video.
        decoder: `auto`, or the name of a decoder.
        cache: The frame cache, if one is used.
    """

    frames: Count
    workers: int
    prefetch: int
    limit_seconds: float
    decoder: str
    cache: FrameCache | None = None

    @property
    def most(self) -> int:
        """The most frames of a video; 0 without a limit."""
        return most_of(self.frames)


def answer_videos(
    benchmark: Benchmark,
    questions: ByVideo,
    adapter: Adapter,
    decoding: Decoding | None,
    *,
    timeout: AnswerTimeout,
    clock: Clock,
    warned: Callable[[str], None],
) -> Generator[list[Prediction], None, None]:
    """Yield the predictions of one video after another, one per question.

    Meanwhile the next videos are decoded, and prepared if the adapter has `prepare`. Once the
    adapter has `stopped`, no more videos are decoded, and their questions fail with its reason.

    Args:
        decoding: None to give the adapter no frames.
        warned: Receives problems with the frame cache.
    """
    remaining = {video: benchmark.files[video] for video in questions}
    if decoding is None:
        for name, path in remaining.items():
            with clock.answering():
                predictions = answer_unseen(adapter, name, path, questions[name], timeout)
            yield predictions
        return
    with PrepareAhead(adapter) as preparing, decode_ahead(decoding) as ahead:
        files = _until_stopped(adapter, tuple(remaining.items()))
        for decoded in clock.waited(ahead.stream(files, preparing)):
            del remaining[decoded.name]
            if decoded.warning:
                warned(decoded.warning)
            with clock.answering():
                predictions = answer_decoded(adapter, decoded, questions[decoded.name], timeout)
            del decoded  # frees its frames while the next video is awaited
            yield predictions
    for name in remaining:
        yield failed(questions[name], str(_stopped(adapter)))


def _until_stopped(
    adapter: Adapter, files: Iterable[tuple[str, Path]]
) -> Iterator[tuple[str, Path]]:
    for file in files:
        if _stopped(adapter):
            return
        yield file


def _stopped(adapter: Adapter) -> str | None:
    return adapter.stopped if isinstance(adapter, Stops) else None


def decode_ahead(decoding: Decoding) -> DecodeAhead:
    """The decoder processes for these options."""
    return DecodeAhead(
        frames=decoding.frames,
        workers=decoding.workers,
        ahead=decoding.prefetch,
        limit_seconds=decoding.limit_seconds,
        decoder=decoding.decoder,
        cache=decoding.cache,
    )


def answer_decoded(
    adapter: Adapter, decoded: Decoded, asked: Sequence[Question], timeout: AnswerTimeout
) -> list[Prediction]:
    """Answer the questions about a decoded video; errors if it could not be decoded."""
    if decoded.frames is None:
        return failed(asked, decoded.error or "video: not decoded")
    warn_about_frames(decoded)
    return _answer(adapter, decoded.video(), asked, timeout)


def warn_about_frames(decoded: Decoded) -> None:
    """Log the warnings about a video's frames."""
    for text in decoded.frames.warnings if decoded.frames else ():
        LOG.warning("%s: %s", decoded.name, text)


def answer_unseen(
    adapter: Adapter, name: str, path: Path, asked: Sequence[Question], timeout: AnswerTimeout
) -> list[Prediction]:
    """Answer the questions about a video without giving the adapter any frames."""
    no_frames_THWC = np.zeros((0, 0, 0, 3), dtype=np.uint8)
    video = Video(name=name, path=path, frames_THWC=no_frames_THWC, seconds=(), duration=0.0)
    return _answer(adapter, video, asked, timeout)


def _answer(
    adapter: Adapter, video: Video, questions: Sequence[Question], timeout: AnswerTimeout
) -> list[Prediction]:
    """Ask the adapter; a question without a valid answer gets an error that says why."""
    answers: dict[Key, Answer] = {}
    missing = "adapter: no answer"
    slow = f"adapter: took longer than {counted(timeout.seconds or 0, 'second')}"
    try:
        late = timeout.limit(lambda: _completed(questions, answers, slow))
        with ending.interruptible(), late:
            _collect(adapter.answer(video, questions), questions, answers, video)
    except UserError:
        raise
    except KeyboardInterrupt:
        answered = _completed([q for q in questions if q.key in answers], answers, "")
        raise InterruptedVideo([p for p in answered if p.response is not None]) from None
    except BaseException as error:  # a panic in a Rust extension is not an Exception
        missing = f"adapter: {described(error)}"
        LOG.error("%s", video.name, exc_info=True)
    return _completed(questions, answers, missing)


def _collect(
    produced: Iterable[Answer],
    questions: Sequence[Question],
    answers: dict[Key, Answer],
    video: Video,
) -> None:
    """Put the first answer to each question and repeat into `answers`, and warn about all others.

    An adapter that knows nothing of repeats leaves them out: its answers to a question are those
    to its repeats in order.
    """
    asked: dict[str, list[int]] = {}
    for question in questions:
        asked.setdefault(question.id, []).append(question.repeat)
    unasked = repeated = 0
    try:
        for answer in produced:
            name = answer.question_id
            open_ = [n for n in asked.get(name, ()) if (name, n) not in answers]
            if name not in asked:
                unasked += 1
            elif answer.repeat in open_:
                answers[name, answer.repeat] = sanitize(answer)
            elif open_ and not answer.repeat:
                answers[name, open_[0]] = sanitize(replace(answer, repeat=open_[0]))
            else:
                repeated += 1
    finally:
        ignored = {"were not asked": unasked, "it had answered": repeated}
        for which, count in ignored.items():
            if count:
                LOG.warning(
                    "%s: the adapter gave %d answers to questions that %s; they are ignored",
                    video.name,
                    count,
                    which,
                )


def _completed(
    questions: Sequence[Question], answers: Mapping[Key, Answer], missing: str
) -> list[Prediction]:
    """A prediction for every question: its answer, or the error that says why there is none."""
    snapshot = dict(answers)  # an adapter that exceeded its time may still be adding answers
    return [
        Prediction(
            question=q,
            answer=snapshot.get(q.key) or Answer(question_id=q.id, repeat=q.repeat, error=missing),
        )
        for q in questions
    ]


def failed(questions: Sequence[Question], error: str) -> list[Prediction]:
    """A prediction with the same error for each of the questions."""
    return _completed(questions, {}, error)
