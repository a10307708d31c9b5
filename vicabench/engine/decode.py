"""Decode the next videos in other processes while the present one is being answered.

A video that hangs its decoder, crashes it or cannot be read is an error of that video alone: its
process is replaced, and the next videos follow, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, local
from time import monotonic
from types import TracebackType
from typing import Self

from vica.video import AUTO, Frames, VideoError

from vicabench.engine.decoder_process import DecoderLostError, DecoderProcess
from vicabench.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A video's frames, or the `error` that says why there are none; `seconds` is what it took."""

    name: str
    path: Path
    frames: Frames | None
    error: str | None
    seconds: float


class DecodeAhead:
    """Decodes videos in `workers` processes, at most `ahead` of them beyond the one in use.

    A context manager: the processes are started when there is something to decode and killed on
    leaving, at once and whatever they are doing. `frames` are sampled from each video with
    `decoder` (see `vica.video.read_frames`). A video may take `limit_seconds`; with `auto`, one
    that hangs or crashes is tried once more, as long, with PyAV alone, for decord may be to blame.
    """

    def __init__(
        self,
        *,
        frames: int,
        workers: int = 1,
        ahead: int = 2,
        limit_seconds: float = 120.0,
        decoder: str = AUTO,
    ) -> None:
        self._frames, self._decoder = frames, decoder
        self._ahead, self._limit_seconds = ahead, limit_seconds
        # A thread for each process waits for its replies.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._own = local()
        self._lock = Lock()
        self._running: set[DecoderProcess] = set()
        self._left = False
        self._works = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._left = True
            for process in self._running:
                process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._running:
            process.close()

    def stream(self, videos: Iterable[tuple[str, Path]]) -> Iterator[Decoded]:
        """Yield one Decoded for every (name, path), in order.

        Raises UserError when not even the first decoding process can be started.
        """
        waiting: deque[Future[Decoded]] = deque()
        for name, path in videos:
            waiting.append(self._threads.submit(self._decode, name, path))
            if len(waiting) > self._ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _decode(self, name: str, path: Path) -> Decoded:
        start = monotonic()
        frames, error = None, None
        try:
            frames = self._read(path)
        except (VideoError, DecoderLostError) as reason:
            error = f"video: {reason}"
        return Decoded(
            name=name, path=path, frames=frames, error=error, seconds=monotonic() - start
        )

    def _read(self, path: Path) -> Frames:
        try:
            return self._ask(path, self._decoder)
        except DecoderLostError:
            if self._decoder != AUTO or find_spec("decord") is None:
                raise
        return self._ask(path, "pyav")

    def _ask(self, path: Path, decoder: str) -> Frames:
        try:
            return self._process().decode(
                path, frames=self._frames, decoder=decoder, limit_seconds=self._limit_seconds
            )
        except DecoderLostError as error:
            if not self._works:
                raise UserError(str(error)) from error
            raise DecoderLostError(f"{path}: {error}") from error

    def _process(self) -> DecoderProcess:
        """This thread's process, replaced when it is gone."""
        process: DecoderProcess | None = getattr(self._own, "process", None)
        if process is not None and process.alive:
            return process
        with self._lock:
            if self._left:
                raise DecoderLostError("decoding was stopped")
            if process is not None:
                self._running.discard(process)
                process.close()
            self._own.process = process = DecoderProcess()
            self._running.add(process)
        process.wait_ready()
        self._works = True
        return process
