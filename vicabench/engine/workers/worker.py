"""A worker process: holds the model, decodes the videos it is given, and answers them."""

from __future__ import annotations

import faulthandler
import logging
import os
import pickle
import sys
import traceback
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO, NoReturn

from vicabench import ending
from vicabench.engine.decode import DecodeAhead, Decoded
from vicabench.engine.loop import (
    AnswerTimeout,
    PrepareAhead,
    answer_decoded,
    answer_unseen,
    decode_ahead,
)
from vicabench.engine.timing import Clock
from vicabench.engine.workers.messages import Built, Job, LogLine, Refused, Reply, Task
from vicabench.errors import UserError, counted
from vicabench.predictions import Prediction
from vicabench.types import Adapter

LOG = logging.getLogger("vicabench")
OVERDUE = 75
"""Exit code of a worker whose adapter took too long over a video."""


class Answerer:
    """Built once; then it is given videos and asked for replies, which come in the same order.

    A video is decoded, and prepared, from the moment it is given. There is nothing to close: the
    decoding processes end with the process that this is in.
    """

    def __init__(self) -> None:
        self._log = _Log()
        for name in ("vicabench", "vica"):
            logging.getLogger(name).addHandler(self._log)
        self._given: deque[tuple[Task, Future[Decoded] | None]] = deque()
        self._clock: Clock | None = None

    def build(self, job: Job, placed: str | None) -> Built | Refused:
        """Load the model, on the device `placed` if it knows devices."""
        with suppress(OSError):  # another machine may lack that folder, and not need it
            os.chdir(job.folder)
        try:
            if job.decoding and job.decoding.cache:
                job.decoding.cache.check()
            self._adapter: Adapter = job.build(placed)
        except UserError as error:
            return Refused.of(error)
        self._job = job
        self._timeout = AnswerTimeout(seconds=job.answer_seconds, overdue=self._overdue)
        self._ahead: DecodeAhead | None = decode_ahead(job.decoding) if job.decoding else None
        self._preparing = PrepareAhead(self._adapter)
        return Built.of(self._adapter)

    def give(self, task: Task) -> None:
        """Begin to decode a video."""
        self._clock = self._clock or self._job.clock(self._adapter, _warn)
        path = self._job.benchmark.files[task.video]
        decoding = None
        if self._ahead:
            decoding = self._ahead.submit(task.video, path, self._preparing)
        self._given.append((task, decoding))

    def reply(self) -> Reply | Refused:
        """Answer the first of the given videos that is not answered yet."""
        task, decoding = self._given.popleft()
        clock = self._clock
        if clock is None:
            raise RuntimeError("a reply was asked for before a video was given")
        try:
            predictions = self._answer(task, decoding, clock)
        except UserError as error:
            return Refused.of(error)
        clock.count(predictions)
        return Reply(predictions=predictions, log_lines=self._log.taken(), timing=clock.timing())

    def _answer(
        self, task: Task, decoding: Future[Decoded] | None, clock: Clock
    ) -> list[Prediction]:
        if decoding is None:
            path = self._job.benchmark.files[task.video]
            with clock.answering():
                return answer_unseen(self._adapter, task.video, path, task.questions, self._timeout)
        (decoded,) = clock.waited(map(Future.result, [decoding]))
        if decoded.warning:
            _warn(decoded.warning)
        with clock.answering():
            return answer_decoded(self._adapter, decoded, task.questions, self._timeout)

    def _overdue(self, predictions: Sequence[Prediction]) -> NoReturn:
        """End the process, which is as good as lost."""
        seconds, video = self._job.answer_seconds, predictions[0].question.video
        text = f"took longer than {counted(seconds or 0, 'second')} over {video!r}"
        print(text, file=sys.stderr, flush=True)  # noqa: T201
        os._exit(OVERDUE)


def _warn(text: str) -> None:
    LOG.warning("%s", text)


class _Log(logging.Handler):
    """Collects what is logged, for the driver's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: deque[LogLine] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(
            LogLine(logger=record.name, level=record.levelno, text=self.format(record))
        )

    def taken(self) -> list[LogLine]:
        """What was logged since the last time."""
        return [self._lines.popleft() for _ in range(len(self._lines))]


def main() -> None:
    """Answer requests until standard input ends."""
    ending.ignore()  # signals to end are for the one who started us
    faulthandler.enable()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the replies
    requests: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_receive, args=(requests,), daemon=True).start()
    try:
        _serve(requests, replies)
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # not sys.exit, which would wait for what is being decoded


def _serve(requests: SimpleQueue[Any], replies: BinaryIO) -> None:
    answerer = Answerer()
    while True:
        request = requests.get()
        if isinstance(request, Task):
            answerer.give(request)
            continue
        is_job = isinstance(request, tuple) and isinstance(request[0], Job)
        pickle.dump(answerer.build(*request) if is_job else answerer.reply(), replies)
        replies.flush()


def _receive(requests: SimpleQueue[Any]) -> None:
    """Take in requests, even while one is worked on, to see at once when there is nobody left."""
    while True:
        try:
            requests.put(pickle.load(sys.stdin.buffer))  # noqa: S301  (from who started us)
        except EOFError:
            os._exit(0)  # not sys.exit: the main thread may be anywhere inside a model
        except Exception:  # half a request is what a killed driver leaves
            traceback.print_exc()
            os._exit(1)


if __name__ == "__main__":
    main()
