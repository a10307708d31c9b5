"""Checking whether a video file is whole, as far as its container shows.

A broken download often still plays. Most containers state the length of each of their parts: the
walks here read a few bytes of each part, and one that reaches beyond the end of the file was cut.
Some containers state no lengths, or may end between any two parts; `doubt` reports these.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

UNKNOWN = "nothing in the file shows whether it is whole"
"""The doubt about a container that does not state its length."""

RIFF_UNSTATED = (0, 0xFFFFFFFF)
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
EBML_CLUSTER, EBML_SEGMENT = 0x1F43B675, 0x18538067
TRANSPORT_PACKETS = ((188, 0), (192, 4))
"""Packet sizes of transport streams, and the offset of the byte 0x47 in a packet."""
PROGRAM_END = b"\0\0\1\xb9"
LARGEST_INDEX = 1 << 24


class CutError(Exception):
    """The file ends too early; the message states the evidence."""


def doubt(path: Path, container: str) -> str | None:
    """Why it is unknown whether this regular file is whole; None if it is whole.

    `container` is FFmpeg's name for its format.

    Raises:
        CutError: The file is known to be cut short.
    """
    walk = WALKS.get(container)
    if walk is None:
        return UNKNOWN
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        return None if walk(file, size) else UNKNOWN


def _within(end: int, size: int, what: str) -> int:
    """Return `end`, the stated end of a part; raises CutError if the file ends before it."""
    if end > size:
        raise CutError(f"its {what} reaches byte {end}, but the file ends at {size}")
    return end


def _boxes(file: BinaryIO, size: int) -> bool:
    """MP4 and QuickTime: boxes of stated sizes. A fragmented file may end after any fragment."""
    names: list[bytes] = []
    position = indexed = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length, name = int.from_bytes(head[:4]), head[4:8]
        if length == 0:
            return True  # this box extends to the end of the file
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length < 8:
            return False  # not a box, but padding that some programs write
        position = _within(position + length, size, f"part {name.decode('latin-1')!r}")
        if name == b"sidx" and b"moof" not in names:
            file.seek(position - length)
            box = file.read(min(length, LARGEST_INDEX))
            indexed = _within(_listed(box, position), size, "index of fragments")
        names.append(name)
    if b"moof" not in names or b"mfra" in names:
        return True
    return names.count(b"sidx") == 1 and indexed > 0


def _listed(box: bytes, end: int) -> int:
    """The end of the last fragment in this index, which itself ends at `end`."""
    size = 8 if box[8:9] > b"\0" else 4  # bytes of its numbers, by its version
    place = 20 + size
    offset = int.from_bytes(box[place : place + size])
    count = int.from_bytes(box[place + size + 2 : place + size + 4])
    place += size + 4
    sizes = (box[place + 12 * number : place + 12 * number + 4] for number in range(count))
    return end + offset + sum(int.from_bytes(size) & 0x7FFFFFFF for size in sizes)


def _riff(file: BinaryIO, size: int) -> bool:
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF":
            return True  # data after the last list is not part of the video
        if length in RIFF_UNSTATED:
            return False
        position = _within(position + 8 + length, size, "list of pictures")
    return True


def _asf(file: BinaryIO, size: int) -> bool:
    """Windows Media: its properties state the size of the file, except in broadcasts."""
    head = file.read(30)
    if head[:16] != ASF_HEADER:
        return False
    for _ in range(int.from_bytes(head[24:28], "little")):
        place, part = file.tell(), file.read(24)
        if part[:16] == ASF_PROPERTIES:
            values = file.read(68)
            if int.from_bytes(values[64:68], "little") & 1:
                return False
            _within(int.from_bytes(values[16:24], "little"), size, "stated length")
            return True
        file.seek(place + max(24, int.from_bytes(part[16:24], "little")))
    return False


def _gif(file: BinaryIO, size: int) -> bool:
    """GIF: blocks with the lengths of their parts, up to a trailer."""
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    position = 13 + _colours(data[10:11])
    while position < size:
        kind = data[position]
        if kind == ord(";"):
            return True
        if kind == ord(","):
            position += 11 + _colours(data[position + 9 : position + 10])
        elif kind == ord("!"):
            position += 2
        else:
            return False
        while position < size and data[position]:
            position += 1 + data[position]
        position += 1
    raise CutError("its end mark is missing")


def _colours(flags: bytes) -> int:
    """The size in bytes of the colour table that these flags announce."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _matroska(file: BinaryIO, size: int) -> bool:
    """Matroska: elements of stated sizes. Live recordings state only their smallest parts'."""
    position, open_end = 0, False
    while position < size:
        file.seek(position)
        head = file.read(12)
        id_bytes = _vint_bytes(head[:1])
        length_bytes = _vint_bytes(head[id_bytes : id_bytes + 1])
        if len(head) < id_bytes + length_bytes:
            raise CutError(f"it ends in the middle of the element at byte {position}")
        name = int.from_bytes(head[:id_bytes])
        unknown = (1 << 7 * length_bytes) - 1
        length = int.from_bytes(head[id_bytes : id_bytes + length_bytes]) & unknown
        position += id_bytes + length_bytes
        if length == unknown and name in (EBML_SEGMENT, EBML_CLUSTER):
            open_end = True  # its children follow, each with a stated size
        else:
            position = _within(position + length, size, "last part")
    return not open_end


def _vint_bytes(first: bytes) -> int:
    """How many bytes a variable-length number has, by its first byte."""
    return 9 - first[0].bit_length() if first and first[0] else 1


def _flv(file: BinaryIO, size: int) -> bool:
    position = 13
    while position + 11 <= size:
        file.seek(position)
        length = int.from_bytes(file.read(4)[1:])
        position = _within(position + 11 + length, size, "last part") + 4
    return True  # its header states its duration, which `vica.containers` compares


def _transport(file: BinaryIO, size: int) -> bool:
    head = file.read(8)
    for length, place in TRANSPORT_PACKETS:
        if head[place : place + 1] == b"\x47" and size % length:
            _within(size - size % length + length, size, "last packet")
    return False


def _program(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - len(PROGRAM_END)))
    return file.read() == PROGRAM_END


def _ogg(file: BinaryIO, size: int) -> bool:
    """Ogg: pages of stated sizes; a stream's last page is marked."""
    position, ended = 0, False
    while position + 27 <= size:
        file.seek(position)
        head = file.read(27 + 255)
        if head[:4] != b"OggS":
            return False
        count = head[26]
        ended = bool(head[5] & 4)
        position = _within(position + 27 + count + sum(head[27 : 27 + count]), size, "last page")
    return ended


WALKS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "mov,mp4,m4a,3gp,3g2,mj2": _boxes,
    "avi": _riff,
    "asf": _asf,
    "gif": _gif,
    "matroska,webm": _matroska,
    "flv": _flv,
    "mpegts": _transport,
    "mpeg": _program,
    "ogg": _ogg,
}
"""Checks, by FFmpeg's name of the container: whether the file is known to be whole.

They raise CutError for a file that is cut short.
"""
