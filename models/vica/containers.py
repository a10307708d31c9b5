"""Video files opened, with one kind of error for everything that can be wrong with them."""

from __future__ import annotations

import errno
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from vica.pointers import pointer

LISTS = frozenset(
    {"hls", "applehttp", "concat", "dash", "webm_dash_manifest", "imf", "sdp", "rtsp", "rtp", "sap"}
    | {"lavfi", "avisynth", "vapoursynth"}
)
"""Formats of FFmpeg that name other files or hosts, wherever they are, which it would open."""


class VideoError(Exception):
    """A video that cannot be read; the message says which file, and what is wrong with it."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its main video stream, and turn FFmpeg's complaints into VideoError."""
    try:
        options = {"format_whitelist": _formats()}
        container = av.open(url_of(path), options=options, metadata_errors="replace")
    except av.ArgumentError as error:
        raise _error(path, "is no video, or lists others, which are not read", error) from error
    except av.FFmpegError as error:
        if what := pointer(path):
            raise VideoError(f"{path}: {what}") from error
        raise _error(path, "is not a video, or was cut short before its index", error) from error
    try:
        with container:
            stream = container.streams.best("video")
            if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
                raise VideoError(f"{path}: has no video stream")
            if stream.codec_context is None:
                raise VideoError(f"{path}: is in a codec that is unknown here")
            yield container, stream
    except av.FFmpegError as error:
        raise _error(path, "is damaged", error) from error


@cache
def _formats() -> str:
    """The formats that hold a video themselves, as FFmpeg takes them."""
    known = {name for names in av.formats_available for name in names.split(",")}
    return ",".join(sorted(known - LISTS))


def _error(path: Path, blame: str, error: av.FFmpegError) -> VideoError:
    """What is wrong with the file, unless the machine lacks something."""
    if error.errno in {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}:
        blame = "cannot be decoded now, for want of threads, memory or open files (ulimit -a)"
    return VideoError(f"{path}: {blame}: {reason(error)}")


def url_of(path: Path) -> str:
    """What FFmpeg takes for a file whatever is in its name: it takes `run:1/q.mp4` for a URL."""
    return str(path.absolute())


def numbered(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """The stream's packets in the order of the file, which is that of decoding, from 0.

    Empty ones are left out: to a decoder they would mean the end.
    """
    yield from enumerate(packet for packet in container.demux(stream) if packet.size)


def reason(error: Exception) -> str:
    """What a decoder says is wrong, in one line, without times of day and source lines."""
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return re.sub(r"\[[\d:]+\] \S+:\d+: ", "", text.splitlines()[0])


def file_size(path: Path) -> int:
    """Its size in bytes, 0 for what is not a plain file. Raises VideoError if it is not there."""
    try:
        facts = path.stat()
    except OSError as error:
        raise VideoError(f"{path}: cannot be opened: {error.strerror}") from error
    if stat.S_ISDIR(facts.st_mode):
        raise VideoError(f"{path}: is a folder, not a video")
    if stat.S_ISREG(facts.st_mode) and facts.st_size == 0:
        raise VideoError(f"{path}: is empty")
    return facts.st_size
