"""The loop over videos: all the questions of one video are answered together.

Whatever goes wrong with a video or in an adapter becomes an error record of the questions it
concerns, and the loop goes on. Only what the user must put right (UserError) stops it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vicabench import ending
from vicabench.engine.check import checked, described
from vicabench.engine.decode import DecodeAhead, Decoded
from vicabench.engine.frame_cache import FrameCache
from vicabench.engine.patience import Patience
from vicabench.engine.plan import ByVideo
from vicabench.engine.prepare import PrepareAhead
from vicabench.engine.timing import Clock
from vicabench.errors import UserError
from vicabench.results.predictions import Prediction
from vicabench.text import counted
from vicabench.types import Adapter, Answer, Benchmark, Question, Video

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
    patience: Patience,
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
                predictions = answer_unseen(adapter, name, path, questions[name], patience)
            yield predictions
        return
    with PrepareAhead(adapter) as preparing, decode_ahead(decoding) as ahead:
        files = _until_stopped(adapter, tuple(left.items()))
        for decoded in clock.waited(ahead.stream(files, preparing)):
            del left[decoded.name]
            if decoded.warning:
                warned(decoded.warning)
            with clock.answering():
                predictions = answer_decoded(adapter, decoded, questions[decoded.name], patience)
            del decoded  # its memory is wanted for the next one
            yield predictions
    for name in left:
        yield failed(questions[name], str(getattr(adapter, "stopped", None)))


def _until_stopped(
    adapter: Adapter, files: Iterable[tuple[str, Path]]
) -> Iterator[tuple[str, Path]]:
    for file in files:
        if getattr(adapter, "stopped", None):
            return
        yield file


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
    adapter: Adapter, decoded: Decoded, asked: Sequence[Question], patience: Patience
) -> list[Prediction]:
    """The answers about a video that was decoded; errors where it could not be."""
    if decoded.frames is None:
        return failed(asked, decoded.error or "video: not decoded")
    tell(decoded)
    return _answer(adapter, decoded.video(), asked, patience)


def tell(decoded: Decoded) -> None:
    """Warn, in the run's log and where it is watched, of what is odd about a video's frames."""
    for text in decoded.frames.warnings if decoded.frames else ():
        LOG.warning("%s: %s", decoded.name, text)


def answer_unseen(
    adapter: Adapter, name: str, path: Path, asked: Sequence[Question], patience: Patience
) -> list[Prediction]:
    """The answers about a video of which the adapter sees no frames."""
    nothing = np.zeros((0, 0, 0, 3), dtype=np.uint8)
    video = Video(name=name, path=path, frames_THWC=nothing, seconds=(), duration=0.0)
    return _answer(adapter, video, asked, patience)


def _answer(
    adapter: Adapter, video: Video, questions: Sequence[Question], patience: Patience
) -> list[Prediction]:
    """Ask the adapter; what it does not answer properly gets an error that says so."""
    answers: dict[str, Answer] = {}
    missing = "adapter: no answer"
    slow = f"adapter: took longer than {counted(patience.seconds or 0, 'second')}"
    try:
        late = patience.over(lambda: _completed(questions, answers, slow))
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
    strangers = again = 0
    try:
        for answer in given:
            if answer.question_id not in asked:
                strangers += 1
            elif answer.question_id in answers:
                again += 1
            else:
                answers[answer.question_id] = checked(answer)
    finally:
        ignored = {"were not asked": strangers, "it had answered": again}
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
