"""Video files opened, and what they say of their frames before one is decoded."""

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


MISSING_SECONDS = 1.0
"""How much of its stated length a file without an index of its frames may lack."""

BEGINNINGS = {"h264": range(5, 6), "hevc": range(16, 22)}
"""Kinds of pictures (NAL units) that nothing later needs to look back beyond: IDR; IRAP.

An H.264 file may mark other pictures as keyframes, from which decoding is right some frames later,
or in part: those are none. Of HEVC what is shown before such a picture may need earlier ones.
"""
CODED = {"h264": range(1, 6), "hevc": range(32)}
"""The NAL units that are pictures, or parts of them."""
HONEST = frozenset({"vp8", "vp9", "libdav1d", "av1", "mjpeg", "prores", "dnxhd"})
"""Decoders that give an error, not a picture, when what a frame refers to is missing.

They also show packets in the order of the file.
"""
TIMED = frozenset(
    {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "flv", "asf", "gif"}
)
"""Containers that store when a packet is shown; of others FFmpeg makes it up, wrongly at times."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the file itself says.

    `fps` is how many frames it shows a second on average. Packets are numbered in the order of the
    file. `first` is the first from which decoding can begin; `times` has the pts of each, None
    where it has none. `order` lists the packets that are shown, in the order of showing, or is None
    where only decoding can tell. `starts` are packets at which decoding may begin to give exactly
    what is shown from there on, and `spare` those that no other needs. `doubt` says why nobody can
    know whether the file is whole.
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
    """What reading through the packets has found so far."""

    times: list[int | None] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    spare: list[int] = field(default_factory=list)
    end: float = 0.0


def inspect(path: Path) -> Facts:
    """Read a video's packets, without decoding them, and check that the file is whole.

    Raises VideoError for a file that is missing, empty, no video, without frames or cut short.
    """
    size = file_size(path)
    with opened(path) as (container, stream):
        index = stream.index_entries
        indexed = max((entry.pos + entry.size for entry in index), default=0)
        if size and indexed > size:
            raise VideoError(
                f"{path}: is cut short: its frames reach to byte {indexed}, the file ends at {size}"
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
        raise VideoError(f"{path}: does not say how many frames it has a second")
    if codec in HONEST:  # they are shown in the order of the file, whatever the container says
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
    """VideoError for a file that ends, in seconds, well before its header says."""
    if container.format.name != "matroska,webm":  # which states when it ends, not how long it is
        end -= (container.start_time or 0) / av.time_base
    stated = (container.duration or 0) / av.time_base
    if end < stated - MISSING_SECONDS:
        raise VideoError(
            f"{path}: is cut short: it ends after {end:.1f} s, its header says {stated:.1f}"
        )


def _read_through(path: Path, container: InputContainer, stream: VideoStream) -> _Read:
    """All packets of the stream, and when the last of any stream ends, in seconds."""
    read = _Read()
    pictures = _Pictures(stream)
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            read.end = max(read.end, end)
        if packet.stream is not stream or not packet.size:
            continue
        number = len(read.times)
        if packet.is_corrupt and (read.keys or packet.is_keyframe):  # others are not decoded
            raise VideoError(f"{path}: is cut short or damaged: frame {number} is not all there")
        read.times.append(packet.pts)
        if not packet.is_discard:
            read.shown.append(number)  # an edit list may hide frames: those are to be discarded
        if packet.is_keyframe:
            read.keys.append(number)
            if pictures.begin(packet):
                read.starts.append(number)
        elif pictures.are_spare(packet):
            read.spare.append(number)
    return read


def _order(read: _Read) -> NDArray[np.int64] | None:
    """The packets in the order of showing; None unless all of them say when, each another time.

    Nor where something is to be shown from before the first packet that can be decoded.
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
    """What the packets of H.264 and HEVC contain; of other codecs, whether their word is taken."""

    def __init__(self, stream: VideoStream) -> None:
        self._codec = stream.codec_context.name
        setup = bytes(stream.codec_context.extradata or b"")
        # The byte that says of how many bytes the lengths are; without it there are start codes.
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
        """Whether no other frame refers to this one, so that it need not be decoded.

        In HEVC that cannot be told of one packet alone. Where there are start codes a packet may be
        one field of a frame whose other is referred to.
        """
        if self._codec != "h264" or not self._length_bytes:
            return False
        heads = [head for head in self._heads(bytes(packet)) if head & 31 in CODED["h264"]]
        return bool(heads) and not any(head >> 5 & 3 for head in heads)

    def _heads(self, data: bytes) -> Iterator[int]:
        """The first byte of each of its NAL units."""
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
