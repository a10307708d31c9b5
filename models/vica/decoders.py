"""The two decoders, decord and PyAV, and what a video says of itself before either is trusted.

Decoders forgive too much: of a file that was cut short between two frames decord reads a shorter
video, and of frames that the file says not to show it repeats others to make up the number. So
every file is first read through without decoding it (`inspect`; 9 ms for 1,500 frames), and a
decoder that then finds another number of frames is refused.

Shapes: T wanted frames, H height, W width, C = 3 colours.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vica.pointers import pointer

THREADS = 2
"""Decoding threads a video: of more, 640x480 gains nothing, and several videos run side by side."""

MISSING_SECONDS = 1.0
"""How much of its stated length a file without an index of its frames may lack."""


class VideoError(Exception):
    """A video that cannot be read; the message says which file, and what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the file itself says: how many frames it shows, and how many a second on average."""

    total: int
    fps: float


def inspect(path: str | Path) -> Facts:
    """Read a video's packets, without decoding them, and check that the file is whole.

    Raises VideoError for a file that is missing, empty, no video, without frames or cut short.
    A cut MPEG transport stream cannot be told from a whole one: it has neither index nor length.
    """
    path = Path(path)
    size = _file_size(path)
    with opened(path) as (container, stream):
        index = stream.index_entries
        indexed = max((entry.pos + entry.size for entry in index), default=0)
        if size and indexed > size:
            raise VideoError(
                f"{path}: is cut short: its frames reach to byte {indexed}, the file ends at {size}"
            )
        entries = len(index)
        total, reached = _read_through(container, stream)
        stated = (container.duration or 0) / av.time_base
        if entries < total and reached < stated - MISSING_SECONDS:
            raise VideoError(
                f"{path}: is cut short: it ends after {reached:.1f} s, its header says {stated:.1f}"
            )
        fps = float(stream.average_rate or 0)
    if total == 0:
        raise VideoError(f"{path}: has no frames")
    if fps <= 0:
        raise VideoError(f"{path}: does not say how many frames it has a second")
    return Facts(total=total, fps=fps)


def decode_with_decord(path: Path, facts: Facts, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The frames at `indices`, [T, H, W, 3] uint8 RGB, upright; raises VideoError."""
    decord = load_decord()
    try:
        # The reader holds the file and its buffers until it is gone: it must not outlive the call.
        reader = decord.VideoReader(str(path), num_threads=THREADS)
        found = len(reader)
        if found == facts.total:
            frames_THWC: NDArray[np.uint8] = reader.get_batch(indices).asnumpy()
        del reader
    except Exception as error:  # decord raises what it likes, AssertionError included
        raise VideoError(f"{path}: decord fails: {_reason(error)}") from error
    if found != facts.total:
        raise VideoError(f"{path}: decord finds {found} frames, the file has {facts.total}")
    return frames_THWC


def decode_with_pyav(path: Path, facts: Facts, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The frames at `indices`, [T, H, W, 3] uint8 RGB, upright; raises VideoError.

    Decodes once, in order: seeking to every wanted frame takes five to eight times as long.
    """
    frames_THWC = np.empty((0, 0, 0, 3), np.uint8)
    found = 0
    with opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = THREADS
        for frame in container.decode(stream):
            rows = np.flatnonzero(indices == found)
            found += 1
            if rows.size == 0:
                continue
            image_HWC = _upright(path, frame)
            if frames_THWC.size == 0:
                frames_THWC = np.empty((len(indices), *image_HWC.shape), np.uint8)
            if image_HWC.shape != frames_THWC.shape[1:]:
                raise VideoError(f"{path}: its frames change their size at frame {found - 1}")
            frames_THWC[rows] = image_HWC
            if found > indices[-1]:
                return frames_THWC
    raise VideoError(f"{path}: only {found} of its {facts.total} frames can be decoded")


def load_decord() -> Any:
    """The decord module, made quiet; raises VideoError where it cannot be imported."""
    try:
        import decord  # noqa: PLC0415  (not on every platform)
    except (ImportError, OSError, RuntimeError) as error:
        raise VideoError(f"decord cannot be imported here ({error})") from error
    decord.logging.set_level(decord.logging.QUIET)
    return decord


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its main video stream, and turn FFmpeg's complaints into VideoError."""
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        what = pointer(path) or f"is no video, or was cut short before its index: {_reason(error)}"
        raise VideoError(f"{path}: {what}") from error
    try:
        with container:
            stream = container.streams.best("video")
            if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
                raise VideoError(f"{path}: has no video stream")
            yield container, stream
    except av.FFmpegError as error:
        raise VideoError(f"{path}: is damaged: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What a decoder says is wrong, in one line, without times of day and source lines."""
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return re.sub(r"\[[\d:]+\] \S+:\d+: ", "", text.splitlines()[0])


def _file_size(path: Path) -> int:
    """Its size in bytes, 0 for what is not a plain file."""
    try:
        facts = path.stat()
    except OSError as error:
        raise VideoError(f"{path}: cannot be opened: {error.strerror}") from error
    if stat.S_ISDIR(facts.st_mode):
        raise VideoError(f"{path}: is a folder, not a video")
    if stat.S_ISREG(facts.st_mode) and facts.st_size == 0:
        raise VideoError(f"{path}: is empty")
    return facts.st_size


def _read_through(container: InputContainer, stream: VideoStream) -> tuple[int, float]:
    """How many frames are to be shown, and after how many seconds the last stream ends."""
    total, end = 0, 0.0
    for packet in container.demux():
        if packet.size and packet.stream is stream and not packet.is_discard:
            total += 1  # an edit list may hide frames: those are marked to be discarded
        if packet.pts is not None and packet.time_base is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return total, end - (container.start_time or 0) / av.time_base


def _upright(path: Path, frame: VideoFrame) -> NDArray[np.uint8]:
    """A frame as [H, W, 3] uint8 RGB, turned as the file asks players to turn it."""
    turns, rest = divmod(frame.rotation, 90)
    if rest:
        raise VideoError(f"{path}: asks to be turned by {frame.rotation} degrees")
    return np.rot90(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), turns)
