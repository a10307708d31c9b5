"""Opening video files, and reading what they state about their frames without decoding."""

from __future__ import annotations

import errno
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vica.errors import pointer
from vica.whole import CutError, doubt

LISTS = frozenset(
    {"hls", "applehttp", "concat", "dash", "webm_dash_manifest", "imf", "sdp", "rtsp", "rtp", "sap"}
    | {"lavfi", "avisynth", "vapoursynth"}
)
"""FFmpeg formats that can name arbitrary other files or hosts, which FFmpeg would open."""


class VideoError(Exception):
    """A video that cannot be read; the message names the file and the reason."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its main video stream, and turn FFmpeg's errors into VideoError."""
    try:
        options = {"format_whitelist": _formats()}
        container = av.open(url_of(path), options=options, metadata_errors="replace")
    except av.ArgumentError as error:
        raise _error(
            path, "is not a video, or is a list of others, which are not read", error
        ) from error
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
                raise VideoError(f"{path}: has a codec that this FFmpeg cannot decode")
            yield container, stream
    except av.FFmpegError as error:
        raise _error(path, "is damaged", error) from error


@cache
def _formats() -> str:
    """The formats that contain video data themselves, as an FFmpeg option."""
    known = {name for names in av.formats_available for name in names.split(",")}
    return ",".join(sorted(known - LISTS))


def _error(path: Path, blame: str, error: av.FFmpegError) -> VideoError:
    """The error for a bad file, or for a machine that is short of resources."""
    if error.errno in {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}:
        blame = "cannot be decoded now: too few threads, memory or open files (see ulimit -a)"
    return VideoError(f"{path}: {blame}: {reason(error)}")


def url_of(path: Path) -> str:
    """A path that FFmpeg never takes for a URL, as it would `run:1/q.mp4`."""
    return str(path.absolute())


def numbered(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """The stream's packets in file order, which is decoding order, numbered from 0.

    Empty packets are skipped: a decoder would take them for the end.
    """
    yield from enumerate(packet for packet in container.demux(stream) if packet.size)


def reason(error: Exception) -> str:
    """A decoder's error message in one line, without times of day and source lines."""
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return re.sub(r"\[[\d:]+\] \S+:\d+: ", "", text.splitlines()[0])


def file_size(path: Path) -> int:
    """The file's size in bytes, 0 if it is not a regular file.

    Raises:
        VideoError: The file does not exist, is a folder, or is empty.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise VideoError(f"{path}: cannot be opened: {error.strerror}") from error
    if stat.S_ISDIR(facts.st_mode):
        raise VideoError(f"{path}: is a folder, not a video")
    if stat.S_ISREG(facts.st_mode) and facts.st_size == 0:
        raise VideoError(f"{path}: is empty")
    return facts.st_size


MISSING_SECONDS = 1.0
"""By how much a file without a frame index may fall short of its stated length."""

BEGINNINGS = {"h264": range(5, 6), "hevc": range(16, 22)}
"""Picture types (NAL units) at which decoding can begin: IDR for H.264, IRAP for HEVC.

H.264 files may mark other pictures as keyframes, from which decoding is correct only some frames
later or in part; these do not count. In HEVC, frames displayed before such a picture may still
need earlier ones.
"""
CODED = {"h264": range(1, 6), "hevc": range(32)}
"""The NAL units that are pictures or parts of pictures."""
HONEST = frozenset({"vp8", "vp9", "libdav1d", "av1", "mjpeg", "prores", "dnxhd"})
"""Decoders that raise an error, instead of guessing a picture, if a reference frame is missing.

Their packets are displayed in file order.
"""
TIMED = frozenset(
    {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "flv", "asf", "gif"}
)
"""Containers that store display times; for others FFmpeg guesses them, sometimes wrongly."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a video file states about itself. Packets are numbered in file order.

    Attributes:
        fps: Average frames per second.
        first: The first packet at which decoding can begin.
        times: The pts of each packet, or None.
        shown: The packets that are displayed.
        order: The displayed packets in display order, or None if only decoding can tell.
        starts: Packets at which decoding may begin and yield exactly the frames displayed after.
        spare: Packets that no other packet needs.
        doubt: Why the file cannot be known to be whole, or None.
    """

    fps: float
    first: int
    times: tuple[int | None, ...]
    shown: tuple[int, ...]
    order: NDArray[np.int64] | None
    starts: tuple[int, ...]
    spare: frozenset[int]
    doubt: str | None


@dataclass
class _Read:
    """What has been read from the packets so far."""

    times: list[int | None] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    spare: list[int] = field(default_factory=list)
    end: float = 0.0


def inspect(path: Path) -> Facts:
    """Read a video's packets, without decoding them, and check that the file is whole.

    Raises:
        VideoError: The file is missing, empty, cut short, not a video, or has no frames.
    """
    size = file_size(path)
    with opened(path) as (container, stream):
        index = stream.index_entries
        indexed = max((entry.pos + entry.size for entry in index), default=0)
        if size and indexed > size:
            raise VideoError(
                f"{path}: is cut short: its frames reach byte {indexed}, but the file ends at "
                f"{size}"
            )
        entries = len(index)
        read = _read_through(path, container, stream)
        if entries < len(read.times):
            _refuse_early_end(path, container, read.end)
        fps = float(stream.average_rate or 0)
        name, codec = container.format.name, stream.codec_context.name
    if not read.shown:
        raise VideoError(f"{path}: has no frames")
    if fps <= 0:
        raise VideoError(f"{path}: does not state its frame rate")
    if codec in HONEST:  # displayed in file order, whatever times the container states
        read.times = list(range(len(read.times)))
    elif name not in TIMED:
        read.times = [None] * len(read.times)
    return Facts(
        fps=fps,
        first=read.keys[0] if read.keys else 0,
        times=tuple(read.times),
        shown=tuple(read.shown),
        order=_order(read),
        starts=tuple(read.starts),
        spare=frozenset(read.spare),
        doubt=_doubt(path, name) if size else None,
    )


def _refuse_early_end(path: Path, container: InputContainer, end: float) -> None:
    """Raise VideoError if the file ends, in seconds, well before its header states."""
    if container.format.name != "matroska,webm":  # which states its end time, not its duration
        end -= (container.start_time or 0) / av.time_base
    stated = (container.duration or 0) / av.time_base
    if end < stated - MISSING_SECONDS:
        raise VideoError(
            f"{path}: is cut short: it ends after {end:.1f} s, but its header states {stated:.1f} s"
        )


def _read_through(path: Path, container: InputContainer, stream: VideoStream) -> _Read:
    """Read all packets of the stream, and the end time of the last of any stream, in seconds."""
    read = _Read()
    pictures = _Pictures(stream)
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            read.end = max(read.end, end)
        if packet.stream is not stream or not packet.size:
            continue
        number = len(read.times)
        # Packets before the first keyframe are not decoded, so they may be corrupt.
        if packet.is_corrupt and (read.keys or packet.is_keyframe):
            raise VideoError(f"{path}: is cut short or damaged: frame {number} is incomplete")
        read.times.append(packet.pts)
        if not packet.is_discard:
            read.shown.append(number)  # discarded packets are frames that an edit list hides
        if packet.is_keyframe:
            read.keys.append(number)
            if pictures.begin(packet):
                read.starts.append(number)
        elif pictures.are_spare(packet):
            read.spare.append(number)
    return read


def _order(read: _Read) -> NDArray[np.int64] | None:
    """The displayed packets in display order.

    None if a time is missing or repeated, or if packets are displayed before the first one that
    can be decoded.
    """
    times = [read.times[number] for number in read.shown]
    known = [time for time in times if time is not None]
    if len(set(known)) < len(times) or not read.keys or read.keys[0] > 0:
        return None
    first = read.times[0]
    if first is None or any(time < first for time in known):
        return None
    return np.array(read.shown, np.int64)[np.argsort(np.array(known, np.int64))]


def _doubt(path: Path, container: str) -> str | None:
    try:
        return doubt(path, container)
    except CutError as error:
        raise VideoError(f"{path}: is cut short: {error}") from error
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror}") from error


class _Pictures:
    """Reads which pictures H.264 and HEVC packets contain; trusts `HONEST` codecs' keyframes."""

    def __init__(self, stream: VideoStream) -> None:
        self._codec = stream.codec_context.name
        setup = bytes(stream.codec_context.extradata or b"")
        # This byte holds the size of the NAL units' length fields; without it, start codes
        # separate the units.
        place = {"h264": 4, "hevc": 21}.get(self._codec, 0)
        has_lengths = place and len(setup) > place and not setup.startswith(b"\0\0")
        self._length_bytes = (setup[place] & 3) + 1 if has_lengths else 0

    def begin(self, packet: Packet[Stream]) -> bool:
        """Whether decoding can begin at this keyframe."""
        wanted = BEGINNINGS.get(self._codec)
        if wanted is None:
            return self._codec in HONEST
        shift, mask = (1, 63) if self._codec == "hevc" else (0, 31)
        kinds = [head >> shift & mask for head in self._heads(bytes(packet))]
        kinds = [kind for kind in kinds if kind in CODED[self._codec]]
        return bool(kinds) and all(kind in wanted for kind in kinds)

    def are_spare(self, packet: Packet[Stream]) -> bool:
        """Whether no other frame refers to this one, so that it can be skipped.

        An HEVC packet alone does not show that. With start codes, a packet may be one field of a
        frame whose other field is referred to.
        """
        if self._codec != "h264" or not self._length_bytes:
            return False
        heads = [head for head in self._heads(bytes(packet)) if head & 31 in CODED["h264"]]
        return bool(heads) and not any(head >> 5 & 3 for head in heads)

    def _heads(self, data: bytes) -> Iterator[int]:
        """The first byte of each of the packet's NAL units."""
        position, size = 0, self._length_bytes
        while position + size < len(data):
            if size:
                yield data[position + size]
                position += size + int.from_bytes(data[position : position + size])
            else:
                position = data.find(b"\0\0\1", position) + 3
                if position < 3 or position >= len(data):
                    return
                yield data[position]
