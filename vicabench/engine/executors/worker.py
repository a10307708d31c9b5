"""A worker process: `python -m vicabench.engine.executors.worker`, started by `processes`.

Reads pickled requests from standard input and answers each on standard output: first the job,
then videos and requests for a reply. It ends as soon as its standard input does, so also when the
process that started it is killed.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import sys
import traceback
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

from vicabench import ending
from vicabench.engine.executors.answerer import Answerer
from vicabench.engine.executors.job import Job, Task


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
