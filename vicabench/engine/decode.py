"""Decode the next videos in other processes while the present one is being answered."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path
from threading import Event, Lock, local
from time import monotonic
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from vica.video import AUTO, Frames, VideoError

from vicabench.engine.frame_cache import FrameCache, Reading, frames_of
from vicabench.errors import UserError, counted
from vicabench.runtime import Countdown
from vicabench.types import Video

NEEDED = re.compile(
    r"PATH|HOME|USER|TMPDIR|TEMP|TMP|TZ|LANG|LANGUAGE|SYSTEMROOT|VIRTUAL_ENV"
    r"|(LC|LD|DYLD|OMP|KMP|GOMP|MKL|OPENBLAS|DECORD|FFMPEG|COV|COVERAGE)_.*|PYTHON.*"
)
"""Variables without which Python, its libraries and the decoders may not start or run as here."""


def environment_of_decoders() -> dict[str, str]:
    """What a process is told that reads files from anywhere: no keys and tokens, whatever named."""
    kept = {name: value for name, value in os.environ.items() if NEEDED.fullmatch(name)}
    return kept | {"PYTHONPATH": search_path()}


def search_path() -> str:
    """Where this process finds its packages, so that another finds the same ones (PYTHONPATH)."""
    return os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)


def ending(code: int) -> str:
    """How a process with this return code ended: `signal 9, Killed` or `exit code 1`."""
    return f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"


if sys.platform == "linux":
    from fcntl import F_SETPIPE_SZ, fcntl

COMMAND = (sys.executable, "-P", "-m", "vicabench.engine.decode_worker")
START_SECONDS = 60.0
PIPE_BYTES = 1 << 20
"""64 frames of 640x480 pass in 40 ms instead of 95 ms; no more is allowed without privileges."""


class DecoderLostError(Exception):
    """The decoding process took too long and was killed, or ended on its own; says which."""


class DecoderProcess:
    """A running decoding process. Raises DecoderLostError when it cannot be started."""

    def __init__(self) -> None:
        self._last_words = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close)
        try:
            # A session of its own keeps the terminal's Ctrl-C from it.
            self._process = subprocess.Popen(  # noqa: S603
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._last_words,
                start_new_session=True,
                env=environment_of_decoders(),
            )
        except OSError as error:
            self._last_words.close()
            raise DecoderLostError(f"the decoding process does not start: {error}") from error
        self._jobs = cast("BufferedWriter", self._process.stdin)
        self._replies = cast("BufferedReader", self._process.stdout)
        _widen(self._replies)

    @property
    def alive(self) -> bool:
        """Whether it can be given another video."""
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Wait until it has loaded what it needs. Raises DecoderLostError when it does not."""
        try:
            with self._time_limit(START_SECONDS):
                self._header()
        except DecoderLostError as error:
            raise DecoderLostError(f"the decoding process does not start: {error}") from error

    def decode(
        self,
        path: Path,
        *,
        frames: int,
        decoder: str,
        cache: FrameCache | None,
        limit_seconds: float,
    ) -> Reading:
        """`vicabench.engine.frame_cache.read_video` over there.

        Raises VideoError, and DecoderLostError.
        """
        place = cache and {"folder": str(cache.folder), "limit_bytes": cache.limit_bytes}
        job = {"path": str(path), "frames": frames, "decoder": decoder, "cache": place}
        with self._time_limit(limit_seconds):
            with suppress(BrokenPipeError):  # it is gone: the missing reply will tell how
                self._jobs.write(json.dumps(job).encode() + b"\n")
                self._jobs.flush()
            header = self._header()
            if "error" in header:
                raise VideoError(header["error"])
            pixels_THWC = self._pixels(header["shape"])
        return Reading(
            frames=frames_of(header, pixels_THWC),
            cached=header["cached"],
            warning=header["warning"],
        )

    def kill(self) -> None:
        """End it at once, whatever it is doing; whoever waits for its reply is told."""
        self._process.kill()

    def close(self) -> None:
        """Kill it and let go of its pipes, when nobody waits for a reply any more."""
        self.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._jobs.close()
        self._replies.close()
        self._last_words.close()

    def _pixels(self, shape: Sequence[int]) -> NDArray[np.uint8]:
        try:
            pixels_THWC = np.empty(shape, np.uint8)
        except MemoryError as error:
            self.kill()  # what it is about to send has no place here
            self._process.wait()
            raise VideoError(f"no memory for frames of {shape}") from error
        if self._replies.readinto(pixels_THWC.reshape(-1).data) < pixels_THWC.size:
            raise DecoderLostError(self._how_it_ended())
        return pixels_THWC

    def _header(self) -> dict[str, Any]:
        line = self._replies.readline()
        if not line.endswith(b"\n"):
            raise DecoderLostError(self._how_it_ended())
        header: dict[str, Any] = json.loads(line)
        return header

    @contextmanager
    def _time_limit(self, seconds: float) -> Iterator[None]:
        """Kill the process when the block takes longer, which ends the block's reading."""
        expired = Event()

        def expire() -> None:
            expired.set()
            self._process.kill()

        limit = Countdown(seconds, expire)
        limit.start()
        try:
            yield
        except DecoderLostError as error:
            if expired.is_set():
                raise DecoderLostError(f"took longer than {counted(seconds, 'second')}") from error
            raise
        finally:
            limit.cancel()
            if expired.is_set():
                self._process.wait()

    def _how_it_ended(self) -> str:
        code = self._process.wait()
        self._last_words.seek(0)
        words = self._last_words.read().decode(errors="replace").strip().splitlines()
        return f"the decoding process ended ({ending(code)})" + (f": {words[-1]}" if words else "")


def _widen(pipe: BufferedReader) -> None:
    """Let more through at a time, where the system can."""
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl(pipe.fileno(), F_SETPIPE_SZ, PIPE_BYTES)


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
