"""The loop over videos: all the questions of one video are answered together.

Whatever goes wrong with a video or in an adapter becomes an error record of the questions it
concerns, and the loop goes on. Only what the user must put right (UserError) stops it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vicabench.engine.check import checked
from vicabench.engine.decode import DecodeAhead, Decoded
from vicabench.engine.frame_cache import FrameCache
from vicabench.engine.plan import ByVideo
from vicabench.engine.prepare import PrepareAhead
from vicabench.engine.timing import Clock
from vicabench.errors import UserError
from vicabench.predictions import Prediction
from vicabench.types import Adapter, Answer, Benchmark, Question, Video


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
                predictions = _answer(adapter, _unseen(name, path), questions[name])
            yield predictions
        return
    with PrepareAhead(adapter) as preparing, _decode_ahead(decoding) as ahead:
        files = _until_stopped(adapter, tuple(left.items()))
        for decoded in clock.waited(ahead.stream(files, preparing)):
            del left[decoded.name]
            if decoded.warning:
                warned(decoded.warning)
            with clock.answering():
                predictions = _answer_decoded(adapter, decoded, questions[decoded.name])
            del decoded  # its memory is wanted for the next one
            yield predictions
    for name in left:
        yield _failed(questions[name], str(getattr(adapter, "stopped", None)))


def _until_stopped(
    adapter: Adapter, files: Iterable[tuple[str, Path]]
) -> Iterator[tuple[str, Path]]:
    for file in files:
        if getattr(adapter, "stopped", None):
            return
        yield file


def _decode_ahead(decoding: Decoding) -> DecodeAhead:
    return DecodeAhead(
        frames=decoding.frames,
        workers=decoding.workers,
        ahead=decoding.prefetch,
        limit_seconds=decoding.limit_seconds,
        decoder=decoding.decoder,
        cache=decoding.cache,
    )


def _answer_decoded(
    adapter: Adapter, decoded: Decoded, asked: Sequence[Question]
) -> list[Prediction]:
    if decoded.frames is None:
        return _failed(asked, decoded.error or "video: not decoded")
    return _answer(adapter, decoded.video(), asked)


def _unseen(name: str, path: Path) -> Video:
    nothing = np.zeros((0, 0, 0, 3), dtype=np.uint8)
    return Video(name=name, path=path, frames_THWC=nothing, seconds=(), duration=0.0)


def _answer(adapter: Adapter, video: Video, questions: Sequence[Question]) -> list[Prediction]:
    """Ask the adapter; what it does not answer properly gets an error that says so."""
    answers: dict[str, Answer] = {}
    missing = "adapter: no answer"
    try:
        for answer in adapter.answer(video, questions):
            answers.setdefault(answer.question_id, checked(answer))
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # an adapter may raise anything; the run must go on
        missing = f"adapter: {type(error).__name__}: {error}"
        logging.getLogger("vicabench").exception("%s", video.name)
    if strangers := answers.keys() - {q.id for q in questions}:
        logging.getLogger("vicabench").error("%s: answers to %s", video.name, strangers)
    return [
        Prediction(question=q, answer=answers.get(q.id, Answer(question_id=q.id, error=missing)))
        for q in questions
    ]


def _failed(questions: Sequence[Question], error: str) -> list[Prediction]:
    return [Prediction(question=q, answer=Answer(question_id=q.id, error=error)) for q in questions]
