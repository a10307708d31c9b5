"""What does a worker process do? It loads the model, decodes videos and answers about them."""

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
"""Exit code of a worker whose adapter exceeded the time limit for a video."""


class Answerer:
    """Answers the videos that it is given, in order.

    `build` is called once, before all else. A video is decoded and prepared in the background
    from the call of `give` on. Nothing needs closing: the decoding processes end with this one.
    """

    def __init__(self) -> None:
        self._log = _Log()
        for name in ("vicabench", "vica"):
            logging.getLogger(name).addHandler(self._log)
        self._pending: deque[tuple[Task, Future[Decoded] | None]] = deque()
        self._clock: Clock | None = None

    def build(self, job: Job, placed: str | None) -> Built | Refused:
        """Build the adapter, on the device `placed` if it knows devices."""
        with suppress(OSError):  # another machine may not have this folder, nor need it
            os.chdir(job.folder)
        try:
            if job.decoding and job.decoding.cache:
                job.decoding.cache.check()
            self._adapter: Adapter = job.build(placed)
        except UserError as error:
            return Refused.of(error)
        self._job = job = job.seen_by(self._adapter)
        self._timeout = AnswerTimeout(seconds=job.answer_seconds, overdue=self._overdue)
        self._ahead: DecodeAhead | None = decode_ahead(job.decoding) if job.decoding else None
        self._preparing = PrepareAhead(self._adapter)
        return Built.of(self._adapter)

    def give(self, task: Task) -> None:
        """Start decoding a video."""
        self._clock = self._clock or self._job.clock(self._adapter, _warn)
        path = self._job.benchmark.files[task.video]
        decoding = None
        if self._ahead:
            decoding = self._ahead.submit(task.video, path, self._preparing)
        self._pending.append((task, decoding))

    def reply(self) -> Reply | Refused:
        """Answer the oldest video that is not answered yet."""
        task, decoding = self._pending.popleft()
        clock = self._clock
        if clock is None:
            raise RuntimeError("reply() was called before give()")
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
        """End the process: the hanging adapter cannot be stopped in any other way."""
        seconds, video = self._job.answer_seconds, predictions[0].question.video
        text = f"took longer than {counted(seconds or 0, 'second')} over {video!r}"
        print(text, file=sys.stderr, flush=True)  # noqa: T201
        os._exit(OVERDUE)


def _warn(text: str) -> None:
    LOG.warning("%s", text)


class _Log(logging.Handler):
    """Collects log records for the driver's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: deque[LogLine] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(
            LogLine(logger=record.name, level=record.levelno, text=self.format(record))
        )

    def taken(self) -> list[LogLine]:
        """Take the lines logged since the last call."""
        return [self._lines.popleft() for _ in range(len(self._lines))]


def main() -> None:
    """Answer requests until standard input ends."""
    ending.ignore()  # the driver handles signals, and ends this process
    faulthandler.enable()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not corrupt the stream of replies
    requests: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_receive, args=(requests,), daemon=True).start()
    try:
        _serve(requests, replies)
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # sys.exit would wait for videos that are being decoded


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
    """Read requests also while one is processed, to notice at once that the driver has ended."""
    while True:
        try:
            requests.put(pickle.load(sys.stdin.buffer))  # noqa: S301  (from the driver)
        except EOFError:
            os._exit(0)  # sys.exit would wait for the main thread, which may hang inside a model
        except Exception:  # a killed driver leaves half a request
            traceback.print_exc()
            os._exit(1)


if __name__ == "__main__":
    main()
