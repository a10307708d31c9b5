"""The loop over videos: all the questions of one video are answered together.

Whatever goes wrong with a video or in an adapter becomes an error record of the questions it
concerns, and the loop goes on. Only what the user must put right (UserError) stops it.
"""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import numpy as np

from vicabench import ending
from vicabench.adapters.abilities import Prepares, Stops
from vicabench.engine.decode import DecodeAhead, Decoded
from vicabench.engine.frame_cache import FrameCache
from vicabench.engine.timing import Clock
from vicabench.errors import UserError, counted
from vicabench.predictions import LARGEST, Prediction
from vicabench.results.plan import ByVideo
from vicabench.runtime import Countdown
from vicabench.types import Adapter, Answer, Benchmark, Question, Video

Number = TypeVar("Number", int, float)


def sanitize(answer: Answer) -> Answer:
    """The answer with plain Python values, or an error record that says what is wrong with it."""
    if answer.error is None and not isinstance(answer.response, str):
        kind = type(answer.response).__name__
        return _rejected(answer, f"the response is {kind}, not a text")
    try:
        return Answer(
            question_id=answer.question_id,
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
    """What was raised, in a line: `RuntimeError: out of luck`."""
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"
    except Exception:  # its own text fails; the kind says something
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
    """A text, a whole number or a finite one."""
    if isinstance(value, str):
        return value
    try:
        return operator.index(value)
    except TypeError:
        return _finite(value, "a number of usage")


def _count(value: Any) -> int | None:
    """Whole numbers of any library, NumPy and torch included."""
    return None if value is None else _in_range(operator.index(value), "a number of tokens")


def _in_range(value: Number, name: str) -> Number:
    """The number, if predictions that have it can be read again."""
    if not 0 <= value <= LARGEST:
        raise ValueError(f"{name} is {value}, not from 0 to {LARGEST}")
    return value


def _rejected(answer: Answer, reason: str) -> Answer:
    return Answer(question_id=answer.question_id, error=f"adapter: {reason}")


Overdue = Callable[[Sequence[Prediction]], NoReturn]


@dataclass(frozen=True, kw_only=True)
class AnswerTimeout:
    """The seconds of running that an adapter has for a video, None for any time.

    `overdue` gets the predictions of a video that took longer, in another thread while the adapter
    still hangs; it keeps them and ends the process.
    """

    seconds: float | None
    overdue: Overdue

    @contextmanager
    def limit(self, so_far: Callable[[], Sequence[Prediction]]) -> Iterator[None]:
        """Give the block that time; `so_far` says what is there of the video when it is over.

        A block that keeps Python's own lock while it hangs, as compiled code can, is not noticed.
        """
        if self.seconds is None:
            yield
            return
        over = Lock()  # who takes it first decides whether this was in time

        def expire() -> None:
            if over.acquire(blocking=False):
                self.overdue(so_far())

        limit = Countdown(self.seconds, expire)
        limit.start()
        try:
            yield
        finally:
            over.acquire()  # for ever, if it was too late: the process is about to end
            limit.cancel()


class PrepareAhead:
    """The stage after decoding: one thread, one video after another, in order.

    A context manager, which waits for a call that is under way. An adapter without `prepare`
    gets its videos as they were decoded.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._prepare = adapter.prepare if isinstance(adapter, Prepares) else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def __call__(self, decoding: Future[Decoded]) -> Future[Decoded]:
        """What will be the video with what was prepared of it, or with the error that came of it.

        Its result raises UserError, as the adapter may, and what the decoding raises.
        """
        if self._prepare is None:
            return decoding
        return self._thread.submit(_prepared, self._prepare, decoding)


def _prepared(prepare: Callable[[Video], Any], decoding: Future[Decoded]) -> Decoded:
    decoded = decoding.result()
    if decoded.frames is None:
        return decoded
    start = monotonic()
    made, error = None, None
    try:
        made = prepare(decoded.video())
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException as reason:  # an adapter may raise anything
        error = f"adapter: prepare: {described(reason)}"
        logging.getLogger("vicabench").error("%s", decoded.name, exc_info=True)
    return replace(
        decoded,
        frames=None if error else decoded.frames,
        error=error,
        prepared=made,
        prepare_seconds=monotonic() - start,
    )


LOG = logging.getLogger("vicabench")


class InterruptedVideo(KeyboardInterrupt):
    """Ctrl-C while a video was answered; `predictions` are the answers that it had by then."""

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        super().__init__()
        self.predictions = predictions


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How videos are read.

    `frames` per video, in `workers` processes, at most `prefetch` videos beyond the one in use,
    within `limit_seconds` each, through the `cache` if there is one.
    """

    frames: int
    workers: int
    prefetch: int
    limit_seconds: float
    decoder: str
    cache: FrameCache | None = None


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
    """Yield the predictions of one video after another, one for every question asked.

    The next videos are decoded, and prepared if the adapter does that, meanwhile; `warned` is told
    what is wrong with the frame cache. Without `decoding` the adapter gets no frames. Once the
    adapter has `stopped`, no more videos are decoded, and their questions fail for that reason.
    """
    left = {video: benchmark.files[video] for video in questions}
    if decoding is None:
        for name, path in left.items():
            with clock.answering():
                predictions = answer_unseen(adapter, name, path, questions[name], timeout)
            yield predictions
        return
    with PrepareAhead(adapter) as preparing, decode_ahead(decoding) as ahead:
        files = _until_stopped(adapter, tuple(left.items()))
        for decoded in clock.waited(ahead.stream(files, preparing)):
            del left[decoded.name]
            if decoded.warning:
                warned(decoded.warning)
            with clock.answering():
                predictions = answer_decoded(adapter, decoded, questions[decoded.name], timeout)
            del decoded  # its memory is wanted for the next one
            yield predictions
    for name in left:
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
    """What decodes as these options say."""
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
    """The answers about a video that was decoded; errors where it could not be."""
    if decoded.frames is None:
        return failed(asked, decoded.error or "video: not decoded")
    warn_about_frames(decoded)
    return _answer(adapter, decoded.video(), asked, timeout)


def warn_about_frames(decoded: Decoded) -> None:
    """Warn, in the run's log and where it is watched, of what is odd about a video's frames."""
    for text in decoded.frames.warnings if decoded.frames else ():
        LOG.warning("%s: %s", decoded.name, text)


def answer_unseen(
    adapter: Adapter, name: str, path: Path, asked: Sequence[Question], timeout: AnswerTimeout
) -> list[Prediction]:
    """The answers about a video of which the adapter sees no frames."""
    nothing = np.zeros((0, 0, 0, 3), dtype=np.uint8)
    video = Video(name=name, path=path, frames_THWC=nothing, seconds=(), duration=0.0)
    return _answer(adapter, video, asked, timeout)


def _answer(
    adapter: Adapter, video: Video, questions: Sequence[Question], timeout: AnswerTimeout
) -> list[Prediction]:
    """Ask the adapter; what it does not answer properly gets an error that says so."""
    answers: dict[str, Answer] = {}
    missing = "adapter: no answer"
    slow = f"adapter: took longer than {counted(timeout.seconds or 0, 'second')}"
    try:
        late = timeout.limit(lambda: _completed(questions, answers, slow))
        with ending.interruptible(), late:
            _collect(adapter.answer(video, questions), {q.id for q in questions}, answers, video)
    except UserError:
        raise
    except KeyboardInterrupt:
        there = (_completed([q], answers, "") for q in questions if q.id in answers)
        raise InterruptedVideo([p for (p,) in there if p.response is not None]) from None
    except BaseException as error:  # a panic of an extension in Rust is no Exception
        missing = f"adapter: {described(error)}"
        LOG.error("%s", video.name, exc_info=True)
    return _completed(questions, answers, missing)


def _collect(
    given: Iterable[Answer], asked: Set[str], answers: dict[str, Answer], video: Video
) -> None:
    """Take the first answer to each question, and warn of all others."""
    unasked = repeated = 0
    try:
        for answer in given:
            if answer.question_id not in asked:
                unasked += 1
            elif answer.question_id in answers:
                repeated += 1
            else:
                answers[answer.question_id] = sanitize(answer)
    finally:
        ignored = {"were not asked": unasked, "it had answered": repeated}
        for which, count in ignored.items():
            if count:
                LOG.warning(
                    "%s: the adapter gave %d answers to questions that %s; they are left out",
                    video.name,
                    count,
                    which,
                )


def _completed(
    questions: Sequence[Question], answers: Mapping[str, Answer], missing: str
) -> list[Prediction]:
    """A prediction for every question: its answer, or the error that says why there is none."""
    there = dict(answers)  # a thread that takes too long may still be adding to them
    return [
        Prediction(question=q, answer=there.get(q.id, Answer(question_id=q.id, error=missing)))
        for q in questions
    ]


def failed(questions: Sequence[Question], error: str) -> list[Prediction]:
    """The same error for each of the questions."""
    return _completed(questions, {}, error)
