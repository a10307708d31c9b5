"""One process that decodes videos, as the one who started it sees it: ask, wait, kill.

A decoder is C code that reads files from anywhere: it may hang, crash, or be killed for want of
memory, and must not take the run with it. Each process has pipes of its own, so whatever happens
to it, even in the middle of a reply, is an end of file here, and concerns no other process. The
pixels go through the pipe: no shared memory or file that could be left behind.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path
from threading import Event
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from vica.video import VideoError

from vicabench.engine.cached import Reading
from vicabench.engine.children import ending, environment_of_decoders
from vicabench.engine.frame_cache import FrameCache
from vicabench.engine.frames import frames_of
from vicabench.runtime import Countdown
from vicabench.text import counted

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
        """`vicabench.engine.cached.read_video` over there.

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
