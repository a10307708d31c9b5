"""Decode the next videos in other processes while the current one is answered."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path
from threading import Event, Lock, local
from time import monotonic
from typing import IO, Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from vica.video import AUTO, Frames, VideoError

from vicabench.engine.frame_cache import Count, FrameCache, Reading, frames_of
from vicabench.errors import UserError, counted
from vicabench.runtime import Countdown
from vicabench.types import Video

NEEDED = re.compile(
    r"PATH|HOME|USER|TMPDIR|TEMP|TMP|TZ|LANG|LANGUAGE|SYSTEMROOT|VIRTUAL_ENV"
    r"|(LC|LD|DYLD|OMP|KMP|GOMP|MKL|OPENBLAS|DECORD|FFMPEG|COV|COVERAGE)_.*|PYTHON.*"
)
"""Variables that Python, its libraries and the decoders may need to run as in this process."""


def environment_of_decoders() -> dict[str, str]:
    """The environment of a process that reads untrusted files: without any keys or tokens."""
    allowed = {name: value for name, value in os.environ.items() if NEEDED.fullmatch(name)}
    return allowed | {"PYTHONPATH": search_path()}


def search_path() -> str:
    """The PYTHONPATH with which another process finds the same packages as this one."""
    return os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)


def ending(code: int) -> str:
    """Describe a return code: `signal 9, Killed` or `exit code 1`."""
    return f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"


if sys.platform == "linux":
    from fcntl import F_SETPIPE_SZ, fcntl

COMMAND = (sys.executable, "-P", "-m", "vicabench.engine.decode_worker")
START_SECONDS = 60.0
PIPE_BYTES = 1 << 20
"""The most that is allowed without privileges: 64 frames of 640x480 pass in 40 instead of 95 ms."""


def start_piped(
    command: Sequence[str], environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start a process that is spoken to through pipes; also returns the file of its errors.

    It runs in a new session: the terminal's Ctrl-C does not reach it, and its whole process group
    can be killed at once.

    Raises:
        OSError: If it cannot be started.
    """
    errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by the caller)
    try:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            env=dict(environment),
        )
    except OSError:
        errors.close()
        raise
    return process, errors


class DecoderLostError(Exception):
    """The decoding process was killed for taking too long, or ended by itself; says which."""


class DecoderProcess:
    """A running decoding process.

    Raises:
        DecoderLostError: If it cannot be started.
    """

    def __init__(self) -> None:
        try:
            self._process, self._stderr = start_piped(COMMAND, environment_of_decoders())
        except OSError as error:
            raise DecoderLostError(f"the decoding process does not start: {error}") from error
        self._jobs = cast("BufferedWriter", self._process.stdin)
        self._replies = cast("BufferedReader", self._process.stdout)
        _widen(self._replies)

    @property
    def alive(self) -> bool:
        """Whether it can decode another video."""
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Wait until it has loaded its libraries.

        Raises:
            DecoderLostError: If it ends before, or takes too long.
        """
        try:
            with self._time_limit(START_SECONDS):
                self._header()
        except DecoderLostError as error:
            raise DecoderLostError(f"the decoding process does not start: {error}") from error

    def decode(
        self,
        path: Path,
        *,
        frames: Count,
        decoder: str,
        cache: FrameCache | None,
        limit_seconds: float,
    ) -> Reading:
        """Call `vicabench.engine.frame_cache.read_video` in the process.

        Raises:
            VideoError: For a video that cannot be read.
            DecoderLostError: If the process ends, or takes longer than `limit_seconds`.
        """
        cache_settings = cache and {"folder": str(cache.folder), "limit_bytes": cache.limit_bytes}
        job = {
            "path": str(path),
            "frames": frames if isinstance(frames, int) else asdict(frames),
            "decoder": decoder,
            "cache": cache_settings,
        }
        with self._time_limit(limit_seconds):
            with suppress(BrokenPipeError):  # it has ended: the missing reply will say how
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
        """End it at once, whatever it is doing; a pending `decode` raises DecoderLostError."""
        self._process.kill()

    def close(self) -> None:
        """Kill it and close its pipes, when no reply is pending."""
        self.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._jobs.close()
        self._replies.close()
        self._stderr.close()

    def _pixels(self, shape: Sequence[int]) -> NDArray[np.uint8]:
        try:
            pixels_THWC = np.empty(shape, np.uint8)
        except MemoryError as error:
            self.kill()  # the pixels in the pipe cannot be skipped cheaply
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
        """Kill the process if the block takes longer, which ends the block's reading."""
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
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return f"the decoding process ended ({ending(code)})" + (f": {lines[-1]}" if lines else "")


def _widen(pipe: BufferedReader) -> None:
    """Enlarge the pipe's buffer, where the system supports it."""
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl(pipe.fileno(), F_SETPIPE_SZ, PIPE_BYTES)


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A video's frames, or the `error` that says why there are none.

    Attributes:
        seconds: How long the decoding took.
        cached: Whether the frames came from the frame cache.
        warning: What is wrong with the frame cache, if anything.
        prepared: What the adapter's `prepare` returned for the frames.
        prepare_seconds: How long that took.
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
        """The video as adapters receive it; raises ValueError if there are no frames."""
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
"""A further step in the background after a video is decoded."""


class DecodeAhead:
    """Decodes the next videos in other processes.

    A context manager: the processes start with the first video, and are killed on leaving,
    whatever they are doing.

    Args:
        frames: Which frames to sample from each video (see `vica.video.read_frames`).
        workers: The number of processes.
        ahead: How many videos are decoded beyond the one in use. This bounds the memory: 64
            frames of 640x480 are 59 MB.
        limit_seconds: The time limit for a video; one that exceeds it, or crashes its decoder,
            becomes an error.
        decoder: The decoder (see `vica.video.read_frames`).
        cache: Where frames are read from if they are there, and else stored.
    """

    def __init__(
        self,
        *,
        frames: Count,
        workers: int = 1,
        ahead: int = 2,
        limit_seconds: float = 120.0,
        decoder: str = AUTO,
        cache: FrameCache | None = None,
    ) -> None:
        self._frames, self._decoder, self._cache = frames, decoder, cache
        self._ahead, self._limit_seconds = ahead, limit_seconds
        # One thread per process waits for its replies.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._thread_local = local()
        self._lock = Lock()
        self._running: set[DecoderProcess] = set()
        self._stopped = False
        self._started_once = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._running:
            process.close()

    def stream(
        self, videos: Iterable[tuple[str, Path]], then: Stage | None = None
    ) -> Iterator[Decoded]:
        """Yield one Decoded for every (name, path), in order, each after the stage `then`.

        Raises:
            UserError: If not even the first decoding process can be started, and as `then` does.
        """
        waiting: deque[Future[Decoded]] = deque()
        for name, path in videos:
            waiting.append(self.submit(name, path, then))
            if len(waiting) > self._ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def submit(self, name: str, path: Path, then: Stage | None = None) -> Future[Decoded]:
        """Queue one video for decoding; the caller bounds how many are in memory.

        The future raises what `stream` raises.
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
            if not self._started_once:
                raise UserError(str(error)) from error
            raise DecoderLostError(f"{path}: {error}") from error

    def _process(self) -> DecoderProcess:
        """This thread's process, replaced if it has ended."""
        process: DecoderProcess | None = getattr(self._thread_local, "process", None)
        if process is not None and process.alive:
            return process
        with self._lock:
            if self._stopped:
                raise DecoderLostError("decoding was stopped")
            if process is not None:
                self._running.discard(process)
                process.close()
            self._thread_local.process = process = DecoderProcess()
            self._running.add(process)
        process.wait_ready()
        self._started_once = True
        return process
