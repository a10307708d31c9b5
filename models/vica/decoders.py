"""The two decoders: PyAV, which is believed, and decord, which the reference code uses.

Every packet goes into PyAV with its number as its time, so that each frame that comes out says
which packet it was made of, whatever the container and the decoder think of times. The file is
never asked to seek: it is read from its beginning, and packets that no wanted frame needs are not
decoded, up to the next at which decoding can begin anew, and where nothing refers to them.

Decord seeks, and lands elsewhere in files with open groups of pictures or without an exact index.
Its frames are therefore compared with those of PyAV.

Shapes: T wanted frames, H height, W width, C = 3 colours.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vica.containers import VideoError, numbered, opened, reason, url_of
from vica.packets import Facts
from vica.pictures import Painter
from vica.wording import counted

THREADS = 2
"""Decoding threads a video: of more, 640x480 gains nothing, and several videos run side by side."""

Sample = Callable[[int], NDArray[np.int64]]
"""Which frames are wanted of so many: their numbers in the order of showing, ascending."""
Span = tuple[int, int]
"""The first and the last of some consecutive packets."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Taken:
    """The wanted frames, [T, H, W, 3] uint8 RGB, upright, and how many the video shows.

    `warnings` say what else should be known about them.
    """

    pixels_THWC: NDArray[np.uint8]
    total: int
    warnings: tuple[str, ...] = ()


def decode(path: Path, facts: Facts, sample: Sample) -> Taken:
    """The wanted frames by PyAV, decoding what they need only, where the file proves what that is.

    They equal those of `decode_in_order`, which takes over where they do not all come out.
    Raises VideoError.
    """
    return _by_packets(path, facts, sample) or _counted(path, facts, sample)


def decode_in_order(path: Path, facts: Facts, sample: Sample) -> Taken:
    """The wanted frames by PyAV, every frame up to them decoded. Raises VideoError."""
    proving_nothing = replace(facts, starts=(), spare=frozenset())
    return decode(path, proving_nothing, sample)


def decode_with_decord(path: Path, facts: Facts, sample: Sample) -> Taken:
    """What decord gives for the wanted frames, with a warning where PyAV gives others.

    Raises VideoError, also where the two do not agree on how many frames there are, or their size.
    """
    right = decode(path, facts, sample)
    pixels_THWC = decord_frames(path, right.total, sample(right.total))
    if pixels_THWC.shape != right.pixels_THWC.shape:
        raise VideoError(
            f"{path}: decord gives frames of {_size(pixels_THWC)}, the file says "
            f"{_size(right.pixels_THWC)}"
        )
    warnings = (*right.warnings, *_differences(pixels_THWC, right.pixels_THWC))
    return Taken(pixels_THWC=pixels_THWC, total=right.total, warnings=warnings)


def decord_frames(path: Path, total: int, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """What decord gives for `indices`, unchecked, [T, H, W, 3] uint8 RGB; raises VideoError."""
    decord = load_decord()
    try:
        # The reader holds the file and its buffers until it is gone: it must not outlive the call.
        reader = decord.VideoReader(url_of(path), num_threads=THREADS)
        found = len(reader)
        if found == total:
            frames_THWC: NDArray[np.uint8] = reader.get_batch(indices).asnumpy()
        del reader
    except Exception as error:  # decord raises what it likes, AssertionError included
        raise VideoError(f"{path}: decord fails: {reason(error)}") from error
    if found != total:
        raise VideoError(f"{path}: decord finds {counted(found, 'frame')}, the file has {total}")
    return frames_THWC


def load_decord() -> Any:
    """The decord module, made quiet; raises VideoError where it cannot be imported."""
    try:
        import decord  # noqa: PLC0415  (not on every platform)
    except (ImportError, OSError, RuntimeError) as error:
        raise VideoError(f"decord cannot be imported here ({error})") from error
    decord.logging.set_level(decord.logging.QUIET)
    return decord


def _by_packets(path: Path, facts: Facts, sample: Sample) -> Taken | None:
    """The wanted frames, where the packets say which they are; None where that does not hold."""
    if facts.order is None:
        return None
    packets = facts.order[sample(len(facts.order))]
    wanted = {int(packet) for packet in packets}
    images: dict[int, NDArray[np.uint8]] = {}
    painter = Painter(path)
    try:
        for frame in _frames(path, _spans(facts, sorted(wanted)), facts.spare - wanted):
            packet = frame.pts
            if packet in wanted and not frame.is_corrupt:
                images[packet] = painter.pixels(frame)
    except VideoError:
        return None  # decoded in order it may do; and if not, that will say why
    if len(images) < len(wanted):
        return None
    return Taken(
        pixels_THWC=_stacked(path, [images[int(packet)] for packet in packets]),
        total=len(facts.order),
    )


def _counted(path: Path, facts: Facts, sample: Sample) -> Taken:
    """The wanted frames of those that come out when all packets are decoded.

    They are counted first, for only then is it known which are wanted.
    """
    everything = [(facts.first, len(facts.times) - 1)]
    packets = [frame.pts for frame in _frames(path, everything)]
    if not packets:
        raise VideoError(f"{path}: none of its frames can be decoded")
    places = _showing(facts, packets)[sample(len(packets))]
    wanted = {int(place) for place in places}
    images: dict[int, NDArray[np.uint8]] = {}
    painter = Painter(path)
    for place, frame in enumerate(_frames(path, everything)):
        if place in wanted:
            if frame.is_corrupt:
                raise VideoError(f"{path}: is damaged: a frame can be decoded in part only")
            images[place] = painter.pixels(frame)
        if len(images) == len(wanted):
            break
    if len(images) < len(wanted):
        raise VideoError(f"{path}: is another file now")
    return Taken(
        pixels_THWC=_stacked(path, [images[int(place)] for place in places]),
        total=len(packets),
        warnings=_left_out(facts, packets),
    )


def _showing(facts: Facts, packets: Sequence[int | None]) -> NDArray[np.int64]:
    """The places of decoded frames in the order of showing.

    That is by their times, or as the decoder gives them where some have none, or the same.
    """
    times = [None if packet is None else facts.times[packet] for packet in packets]
    known = [time for time in times if time is not None]
    if len(set(known)) < len(times):
        return np.arange(len(times))
    return np.argsort(np.array(known, np.int64))


def _left_out(facts: Facts, packets: Sequence[int | None]) -> tuple[str, ...]:
    """Warnings about packets of which no frame came, so that they are not counted."""
    times = [None if packet is None else facts.times[packet] for packet in packets]
    begin = min((time for time in times if time is not None), default=0)
    found = set(packets)
    lost = [facts.times[packet] for packet in facts.shown if packet not in found]
    leading = sum(time is not None and time < begin for time in lost)
    warnings = []
    if leading:
        warnings.append(
            f"left out {counted(leading, 'frame')} at its start, which cannot be decoded, for it "
            "begins in the middle of a group of pictures"
        )
    if other := len(facts.shown) - len(packets) - leading:
        warnings.append(f"packets that give no frame: {other:,} of {len(facts.shown):,}")
    return tuple(warnings)


def _spans(facts: Facts, wanted: Sequence[int]) -> list[Span]:
    """The packets to decode for the `wanted` ones, from the last start that will do for each.

    That is one that is not shown after it: such a frame may need what lies before that start.
    """
    spans: list[Span] = []
    for packet in wanted:
        begin = _start(facts, packet)
        while spans and begin <= spans[-1][1] + 1:
            begin = min(begin, spans.pop()[0])
        spans.append((begin, packet))
    return spans


def _start(facts: Facts, packet: int) -> int:
    """Where to begin for this packet."""
    time = facts.times[packet]
    for start in reversed(facts.starts[: bisect_right(facts.starts, packet)]):
        begins = facts.times[start]
        if begins is not None and time is not None and begins <= time:
            return start
    return facts.first


def _frames(
    path: Path, spans: Sequence[Span], spare: Set[int] = frozenset()
) -> Iterator[VideoFrame]:
    """What decoding these packets gives, in the decoder's order; `pts` is the packet's number.

    Those that are `spare` are left out.
    """
    with opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        decoder = stream.codec_context
        decoder.thread_count = THREADS
        ahead = iter(spans)
        first, last = next(ahead)
        for number, packet in numbered(container, stream):
            if number < first or number in spare:
                continue
            packet.pts = number
            yield from decoder.decode(packet)
            if number == last:
                yield from decoder.decode(None)
                span = next(ahead, None)
                if span is None:
                    return
                decoder.flush_buffers()
                first, last = span


def _stacked(path: Path, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The images as one array; raises VideoError where they are not all of one size."""
    for image in images:
        if image.shape != images[0].shape:
            raise VideoError(
                f"{path}: its frames change their size from {_size(images[0])} to {_size(image)}"
            )
    return np.stack(images)


def _size(pixels: NDArray[np.uint8]) -> str:
    return f"{pixels.shape[-2]}x{pixels.shape[-3]}"


def _differences(given_THWC: NDArray[np.uint8], right_THWC: NDArray[np.uint8]) -> tuple[str, ...]:
    """A warning where decord gives other pixels; frame by frame, for memory's sake."""
    levels = [
        float(np.abs(given_HWC.astype(np.int16) - right_HWC).mean())
        for given_HWC, right_HWC in zip(given_THWC, right_THWC, strict=True)
    ]
    wrong = [level for level in levels if level]
    if not wrong:
        return ()
    return (
        f"decord gives other pixels for {len(wrong)} of {counted(len(levels), 'frame')}, by up to "
        f"{max(wrong):.1f} levels on average over a frame: compare --decoder auto",
    )
