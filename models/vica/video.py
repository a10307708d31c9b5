"""Video to frames: which frames a model is shown, and the decoders that read them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vica.containers import Facts, VideoError, inspect, numbered, opened, reason, url_of
from vica.errors import counted
from vica.pictures import Painter

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


__all__ = [
    "DECODERS",
    "Frames",
    "VideoError",
    "available_decoders",
    "read_frames",
    "sample_indices",
]

AUTO = "auto"
DECODERS: dict[str, Callable[[Path, Facts, Sample], Taken]] = {
    AUTO: decode,
    "pyav": decode_in_order,
    "decord": decode_with_decord,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """Frames sampled from a video, in the order they are shown.

    `pixels_THWC` is uint8 RGB, upright; `indices` are the T frame numbers, counted from 0, and
    `seconds` their times, frame number over average rate, as the published models were told;
    `duration` is `total` frames over `fps`. `decoder` is the one that was used (`pyav`, `decord`);
    `warnings` are what should be known about these frames.
    """

    pixels_THWC: NDArray[np.uint8]
    indices: NDArray[np.int64]
    seconds: tuple[float, ...]
    duration: float
    total: int
    fps: float
    decoder: str
    warnings: tuple[str, ...] = ()


def sample_indices(total: int, count: int) -> NDArray[np.int64]:
    """The numbers of `count` frames spread evenly over `total`, the first and the last included.

    Rounded down; numbers repeat where the video has fewer than `count` frames. This is how the
    published models were trained and evaluated. Raises VideoError when there is nothing to sample.
    """
    if total < 1 or count < 1:
        raise VideoError(f"cannot sample {counted(count, 'frame')} from a video of {total}")
    return np.linspace(0, total - 1, count, dtype=np.int64)


def read_frames(path: str | Path, count: int, *, decoder: str = AUTO) -> Frames:
    """Sample `count` frames of the video at `path`; memory is bounded by those frames.

    `decoder` is `auto`: PyAV, which leaves out groups of pictures without a wanted frame where the
    file proves that it can; `pyav`: the same frames, all decoded in order; or `decord`: what the
    reference code is given, with a warning where that is not the same. Raises VideoError when the
    file cannot give exactly these frames, and ValueError for a decoder that does not exist.
    """
    if decoder not in DECODERS:
        raise ValueError(f"no decoder {decoder!r}: choose {', '.join(DECODERS)}")
    path = Path(path)
    facts = inspect(path)
    taken = DECODERS[decoder](path, facts, lambda total: sample_indices(total, count))
    indices = sample_indices(taken.total, count)
    return Frames(
        pixels_THWC=taken.pixels_THWC,
        indices=indices,
        seconds=tuple(float(index) / facts.fps for index in indices),
        duration=taken.total / facts.fps,
        total=taken.total,
        fps=facts.fps,
        decoder="decord" if decoder == "decord" else "pyav",
        warnings=taken.warnings + ((facts.doubt,) if facts.doubt else ()),
    )


def available_decoders() -> dict[str, str]:
    """The version of each decoder that can be imported here, by name."""
    versions = {"pyav": av.__version__}
    try:
        return {**versions, "decord": str(load_decord().__version__)}
    except VideoError:
        return versions
