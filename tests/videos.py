"""Small clips in which every frame says which one it is, for the tests that decode.

A frame carries its index as a row of twelve black or white squares along its top edge, most
significant bit first, over a colour gradient that moves; `index_of` reads the row back. It
survives compression, so a test can say which frame it was given without keeping a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

BITS = 12
OPTIONS = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libx265": {"crf": "18", "preset": "veryfast", "x265-params": "log-level=none"},
}
"""Of encoders, which also know times finer than the frame rate."""
INTERLACED = 0x20040000
"""FFmpeg's flags for interlaced transforms and motion."""


def picture(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """Frame `index`, [height, width, 3] uint8 RGB; `width` at least 48, `height` at least 16."""
    y, x = np.mgrid[0:height, 0:width]
    image_HWC = np.stack([x + 3 * index, y + 2 * index, x + y - 5 * index], axis=-1) % 256
    side = width // BITS
    for bit in range(BITS):
        on = index >> (BITS - 1 - bit) & 1
        image_HWC[: min(side, height), bit * side : (bit + 1) * side] = 255 * on
    return image_HWC.astype(np.uint8)


def index_of(image_HWC: NDArray[np.uint8]) -> int:
    """The index that `picture` wrote into this frame."""
    height, width = image_HWC.shape[:2]
    side = width // BITS
    row = min(side, height) // 2
    index = 0
    for bit in range(BITS):
        column = bit * side + side // 2
        index = 2 * index + int(image_HWC[row - 1 : row + 1, column - 1 : column + 1].mean() > 127)
    return index


def write_clip(
    path: Path,
    *,
    frames: int = 30,
    size: tuple[int, int] = (128, 96),
    fps: int = 24,
    gop: int = 12,
    b_frames: int = 0,
    pixels: str = "yuv420p",
    ticks: Sequence[int] | None = None,
    rotation: int = 0,
    matrix: Sequence[int] | None = None,
    tags: tuple[int, int] | None = None,
    faststart: bool = False,
    codec: str = "libx264",
    container: str = "mp4",
    options: Mapping[str, str] | None = None,
    interlaced: bool = False,
) -> Path:
    """Write a clip and return its path; `size` is (width, height), `gop` in frames.

    `ticks` are the frames' times in 1/(1000 fps) seconds, for a variable frame rate. `rotation` is
    the turn, in degrees counter-clockwise, that players are told to make, `matrix` says the same in
    FFmpeg's nine numbers. `tags` are FFmpeg's numbers for (colour space, colour range).
    `faststart` puts the index before the pictures. `options` are the encoder's own.
    """
    flags = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", format=container, options=flags) as file:
        stream = cast("VideoStream", file.add_stream(codec, rate=fps))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.options = {**OPTIONS.get(codec, {}), "bf": str(b_frames), **(options or {})}
        stream.gop_size = gop
        stream.codec_context.time_base = Fraction(1, 1000 * fps if codec in OPTIONS else fps)
        if interlaced:
            stream.codec_context.flags |= INTERLACED
        if rotation:
            stream.set_display_rotation(rotation)
        if matrix:
            stream.set_display_matrix(matrix)
        if tags:
            stream.codec_context.colorspace, stream.codec_context.color_range = tags
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
            frame.pts = ticks[index] if ticks else 1000 * index
            frame.time_base = Fraction(1, 1000 * fps)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def write_growing(path: Path, *, frames: int = 40) -> Path:
    """Write an MPEG transport stream whose pictures become larger half way."""
    with av.open(str(path), "w", format="mpegts") as file:
        stream = file.add_stream("mpeg2video", rate=24)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for index in range(frames // 2):
            file.mux(stream.encode(_frame(index, (128, 96))))
        file.mux(stream.encode(None))
        larger = av.CodecContext.create("mpeg2video", "w")
        larger.width, larger.height, larger.pix_fmt = 160, 128, "yuv420p"
        larger.framerate, larger.time_base = Fraction(24), Fraction(1, 24)
        for index in range(frames // 2, frames + 1):
            frame = _frame(index, (160, 128)) if index < frames else None
            for packet in larger.encode(frame):
                packet.stream = stream
                file.mux(packet)
    return path


def _frame(index: int, size: tuple[int, int]) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
    frame.pts, frame.time_base = index, Fraction(1, 24)
    return frame


def write_sound(path: Path) -> Path:
    """Write an mp4 of one second of silence, without any picture."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def remux(
    source: Path,
    path: Path,
    *,
    container: str = "mp4",
    hide: int = 0,
    skip: int = 0,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Copy a clip's packets into another file, the first `hide` frames not to be shown.

    Such files come from cutting without encoding anew: frames before the cut stay in the file,
    for others to be decoded from, and an edit list tells players to begin later. The first `skip`
    packets are left out, as where a recording begins anywhere. `options` are the muxer's own.
    """
    flags = {"avoid_negative_ts": "disabled", **(options or {})}
    with av.open(str(source)) as old, av.open(str(path), "w", container, options=flags) as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        hidden = int(hide / (stream.average_rate or 1) / (stream.time_base or 1))
        for number, packet in enumerate(old.demux(stream)):
            if number >= skip and packet.dts is not None and packet.pts is not None:
                packet.pts -= hidden
                packet.dts -= hidden
                packet.stream = copy
                new.mux(packet)
    return path


def cut(source: Path, path: Path, *, keep: float) -> Path:
    """Write the first part, `keep` of all bytes, of a file to `path`, as a broken download does."""
    whole = source.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    return path


def cut_between_frames(source: Path, path: Path, *, frames: int) -> Path:
    """Write a faststart mp4 up to exactly the end of its first `frames` frames to `path`."""
    with av.open(str(source)) as container:
        last = container.streams.video[0].index_entries[frames - 1]
    path.write_bytes(source.read_bytes()[: last.pos + last.size])
    return path


def blank(source: Path, path: Path, *, start: float, stop: float) -> Path:
    """Write a file to `path` with zeros from `start` to `stop`, as shares of all bytes."""
    whole = bytearray(source.read_bytes())
    first, last = int(start * len(whole)), int(stop * len(whole))
    whole[first:last] = bytes(last - first)
    path.write_bytes(whole)
    return path
