"""Decode the next videos in other processes while the present one is being answered.

A video that hangs its decoder, crashes it or cannot be read is an error of that video alone: its
process is replaced, and the next videos follow, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, local
from time import monotonic
from types import TracebackType
from typing import Any, Self

from vica.video import AUTO, Frames, VideoError

from vicabench.engine.cached import Reading
from vicabench.engine.decoder_process import DecoderLostError, DecoderProcess
from vicabench.engine.frame_cache import FrameCache
from vicabench.errors import UserError
from vicabench.types import Video


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A video's frames, or the `error` that says why there are none.

    `seconds` is what that took, `cached` says that the frames came from the frame cache, and
    `warning` what is wrong with that. `prepared` is what an adapter made of the frames ahead.
    """

    name: str
    path: Path
    frames: Frames | None = None
    error: str | None = None
    seconds: float = 0.0
    cached: bool = False
    warning: str | None = None
    prepared: Any = None
    prepare_seconds: float = 0.0

    def video(self) -> Video:
        """The video as adapters receive it; raises ValueError when there are no frames."""
        if self.frames is None:
            raise ValueError(f"{self.name} was not decoded: {self.error}")
        return Video(
            name=self.name,
            path=self.path,
            frames_THWC=self.frames.pixels_THWC,
            seconds=tuple(self.frames.seconds),
            duration=self.frames.duration,
            prepared=self.prepared,
        )


Stage = Callable[[Future[Decoded]], Future[Decoded]]
"""What is done to a video after it was decoded, in the background too."""


class DecodeAhead:
    """Decodes videos in `workers` processes, at most `ahead` of them beyond the one in use.

    That bounds the memory: 64 frames of 640x480 are 59 MB.

    A context manager: the processes are started when there is something to decode and killed on
    leaving, at once and whatever they are doing. `frames` are sampled from each video with
    `decoder` (see `vica.video.read_frames`). A video may take `limit_seconds`: one that hangs or
    crashes its decoder is an error. With a `cache`, frames that it has are read instead, and others
    are kept there.
    """

    def __init__(
        self,
        *,
        frames: int,
        workers: int = 1,
        ahead: int = 2,
        limit_seconds: float = 120.0,
        decoder: str = AUTO,
        cache: FrameCache | None = None,
    ) -> None:
        self._frames, self._decoder, self._cache = frames, decoder, cache
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

    def stream(
        self, videos: Iterable[tuple[str, Path]], then: Stage | None = None
    ) -> Iterator[Decoded]:
        """Yield one Decoded for every (name, path), in order, each after the stage `then`.

        Raises UserError when not even the first decoding process can be started, and what `then`
        raises.
        """
        waiting: deque[Future[Decoded]] = deque()
        for name, path in videos:
            waiting.append(self.submit(name, path, then))
            if len(waiting) > self._ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def submit(self, name: str, path: Path, then: Stage | None = None) -> Future[Decoded]:
        """Decode one video in its turn; who calls this bounds how many are there at a time.

        The result raises what `stream` does.
        """
        decoding = self._threads.submit(self._decode, name, path)
        return then(decoding) if then else decoding

    def _decode(self, name: str, path: Path) -> Decoded:
        start = monotonic()
        try:
            reading = self._read(path)
        except (VideoError, DecoderLostError) as error:
            return Decoded(
                name=name, path=path, error=f"video: {error}", seconds=monotonic() - start
            )
        return Decoded(
            name=name,
            path=path,
            frames=reading.frames,
            cached=reading.cached,
            warning=reading.warning,
            seconds=monotonic() - start,
        )

    def _read(self, path: Path) -> Reading:
        try:
            return self._process().decode(
                path,
                frames=self._frames,
                decoder=self._decoder,
                cache=self._cache,
                limit_seconds=self._limit_seconds,
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
