"""A decoding process: `python -m vicabench.engine.decode_worker`.

`DecoderProcess` starts it. It reads one job per line from standard input, `{"path", "frames",
"decoder", "cache"}`, and answers each on standard output with one line of JSON, followed by the
raw pixels if there are any. It ends when its standard input does, and therefore also when the
process that started it is killed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from vica.video import ByRate, VideoError

from vicabench import ending
from vicabench.engine.frame_cache import Count, FrameCache, header_of, read_video
from vicabench.engine.frame_rules import ByRule


def main() -> None:
    """Answer jobs until standard input ends."""
    ending.ignore()  # the parent handles signals, and ends this process
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not corrupt the stream of replies
    jobs: SimpleQueue[dict[str, Any]] = SimpleQueue()
    Thread(target=_receive, args=(jobs,), daemon=True).start()
    _reply(replies, {"ready": True})
    while True:
        _reply(replies, *_answer(jobs.get()))


def _receive(jobs: SimpleQueue[dict[str, Any]]) -> None:
    """Read jobs also while one is processed, to notice at once that the parent has ended."""
    for line in sys.stdin.buffer:
        jobs.put(json.loads(line))
    os._exit(0)  # sys.exit would wait for the main thread, which may hang inside a decoder


def _answer(job: dict[str, Any]) -> tuple[dict[str, Any], NDArray[np.uint8] | None]:
    try:
        cache = _cache(**job["cache"]) if job["cache"] else None
        reading = read_video(Path(job["path"]), _count(job["frames"]), job["decoder"], cache)
    except VideoError as error:
        return {"error": str(error)}, None
    except Exception as error:  # a decoder that fails costs this video only
        return {"error": f"{job['path']}: {type(error).__name__}: {error}"}, None
    header = header_of(reading.frames) | {"cached": reading.cached, "warning": reading.warning}
    return header, np.ascontiguousarray(reading.frames.pixels_THWC)


def _count(frames: Any) -> Count:
    if not isinstance(frames, dict):
        return int(frames)
    return ByRule(**frames) if "rule" in frames else ByRate(**frames)


def _cache(folder: str, limit_bytes: int) -> FrameCache:
    return FrameCache(folder=Path(folder), limit_bytes=limit_bytes)


def _reply(
    replies: BinaryIO, header: dict[str, Any], pixels_THWC: NDArray[np.uint8] | None = None
) -> None:
    replies.write(json.dumps(header).encode() + b"\n")
    if pixels_THWC is not None:
        replies.write(pixels_THWC.data)
    replies.flush()


if __name__ == "__main__":
    main()
