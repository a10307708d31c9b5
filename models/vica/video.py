"""Sampling frames of a video and decoding them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vica.containers import Facts, VideoError, inspect, numbered, opened, reason, url_of
from vica.errors import counted
from vica.pictures import Painter

THREADS = 2
"""Decoding threads per video. More do not speed up 640x480, and several videos run at once."""

Sample = Callable[[int], NDArray[np.int64]]
"""Chooses frames from a total number of frames: their ascending numbers in display order."""
Span = tuple[int, int]
"""The numbers of the first and the last of consecutive packets."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Taken:
    """The sampled frames, [T, H, W, 3] uint8 RGB, upright, and how many the video has."""

    pixels_THWC: NDArray[np.uint8]
    total: int
    warnings: tuple[str, ...] = ()


def decode(path: Path, facts: Facts, sample: Sample) -> Taken:
    """Decode the sampled frames with PyAV, skipping packets that the file proves unnecessary.

    The result equals that of `decode_in_order`, which takes over if a frame cannot be decoded.

    Raises:
        VideoError: The video cannot be decoded.
    """
    return _by_packets(path, facts, sample) or _counted(path, facts, sample)


def decode_in_order(path: Path, facts: Facts, sample: Sample) -> Taken:
    """Decode the sampled frames with PyAV, and every frame before them.

    Raises:
        VideoError: The video cannot be decoded.
    """
    proving_nothing = replace(facts, starts=(), spare=frozenset())
    return decode(path, proving_nothing, sample)


def decode_with_decord(path: Path, facts: Facts, sample: Sample) -> Taken:
    """Decode the sampled frames with decord, with a warning if PyAV's pixels differ.

    Raises:
        VideoError: The video cannot be decoded, or decord and PyAV disagree on the number of
            frames or their size.
    """
    right = decode(path, facts, sample)
    pixels_THWC = decord_frames(path, right.total, sample(right.total))
    if pixels_THWC.shape != right.pixels_THWC.shape:
        raise VideoError(
            f"{path}: decord decodes frames of {_size(pixels_THWC)}, but the file states "
            f"{_size(right.pixels_THWC)}"
        )
    warnings = (*right.warnings, *_differences(pixels_THWC, right.pixels_THWC))
    return Taken(pixels_THWC=pixels_THWC, total=right.total, warnings=warnings)


def decord_frames(path: Path, total: int, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The frames `indices` from decord, unchecked, [T, H, W, 3] uint8 RGB; raises VideoError."""
    decord = load_decord()
    try:
        # The reader holds the file and its buffers until it is deleted, and the traceback of an
        # error raised below would keep it alive.
        reader = decord.VideoReader(url_of(path), num_threads=THREADS)
        length = len(reader)
        if length == total:
            frames_THWC: NDArray[np.uint8] = reader.get_batch(indices).asnumpy()
        del reader
    except Exception as error:  # decord raises many kinds, AssertionError included
        raise VideoError(f"{path}: decord fails: {reason(error)}") from error
    if length != total:
        raise VideoError(
            f"{path}: decord finds {counted(length, 'frame')}, but the file has {total}"
        )
    return frames_THWC


def load_decord() -> Any:
    """Import decord and silence its log; raises VideoError if it cannot be imported."""
    try:
        import decord  # noqa: PLC0415  (not available on every platform)
    except (ImportError, OSError, RuntimeError) as error:
        raise VideoError(f"decord cannot be imported here ({error})") from error
    decord.logging.set_level(decord.logging.QUIET)
    return decord


def _by_packets(path: Path, facts: Facts, sample: Sample) -> Taken | None:
    """The sampled frames, located by their packets; None if that is not possible."""
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
        return None  # decoding in order may succeed, and otherwise reports why not
    if len(images) < len(wanted):
        return None
    return Taken(
        pixels_THWC=_stacked(path, [images[int(packet)] for packet in packets]),
        total=len(facts.order),
    )


def _counted(path: Path, facts: Facts, sample: Sample) -> Taken:
    """The sampled frames among those that decoding all packets yields.

    Decodes twice: the first pass counts the frames, which determines the sample.
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
                raise VideoError(f"{path}: is damaged: a frame can only be decoded in part")
            images[place] = painter.pixels(frame)
        if len(images) == len(wanted):
            break
    if len(images) < len(wanted):
        raise VideoError(f"{path}: changed while it was read")
    return Taken(
        pixels_THWC=_stacked(path, [images[int(place)] for place in places]),
        total=len(packets),
        warnings=_left_out(facts, packets),
    )


def _showing(facts: Facts, packets: Sequence[int | None]) -> NDArray[np.int64]:
    """The positions of decoded frames in display order.

    Display order is by time, or the decoder's order if times are missing or repeated.
    """
    times = [None if packet is None else facts.times[packet] for packet in packets]
    known = [time for time in times if time is not None]
    if len(set(known)) < len(times):
        return np.arange(len(times))
    return np.argsort(np.array(known, np.int64))


def _left_out(facts: Facts, packets: Sequence[int | None]) -> tuple[str, ...]:
    """Warnings about packets that yielded no frame and are not counted."""
    times = [None if packet is None else facts.times[packet] for packet in packets]
    begin = min((time for time in times if time is not None), default=0)
    decoded = set(packets)
    lost = [facts.times[packet] for packet in facts.shown if packet not in decoded]
    leading = sum(time is not None and time < begin for time in lost)
    warnings = []
    if leading:
        warnings.append(
            f"left out {counted(leading, 'frame')} at its start, which cannot be decoded because "
            "the video begins in the middle of a group of pictures"
        )
    if other := len(facts.shown) - len(packets) - leading:
        warnings.append(f"packets that yield no frame: {other:,} of {len(facts.shown):,}")
    return tuple(warnings)


def _spans(facts: Facts, wanted: Sequence[int]) -> list[Span]:
    """The packets to decode for the `wanted` ones, from the last usable start before each.

    A start that is displayed after the wanted frame is not usable: that frame may depend on
    packets before the start.
    """
    spans: list[Span] = []
    for packet in wanted:
        begin = _start(facts, packet)
        while spans and begin <= spans[-1][1] + 1:
            begin = min(begin, spans.pop()[0])
        spans.append((begin, packet))
    return spans


def _start(facts: Facts, packet: int) -> int:
    """The packet at which decoding must begin to yield this one."""
    time = facts.times[packet]
    for start in reversed(facts.starts[: bisect_right(facts.starts, packet)]):
        begins = facts.times[start]
        if begins is not None and time is not None and begins <= time:
            return start
    return facts.first


def _frames(
    path: Path, spans: Sequence[Span], spare: Set[int] = frozenset()
) -> Iterator[VideoFrame]:
    """Decode packets, in the decoder's order; each frame's `pts` is its packet's number.

    Packets in `spare` are skipped.
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
    """The images as one array; raises VideoError if their sizes differ."""
    for image in images:
        if image.shape != images[0].shape:
            raise VideoError(
                f"{path}: its frames change size from {_size(images[0])} to {_size(image)}"
            )
    return np.stack(images)


def _size(pixels: NDArray[np.uint8]) -> str:
    return f"{pixels.shape[-2]}x{pixels.shape[-3]}"


def _differences(decord_THWC: NDArray[np.uint8], right_THWC: NDArray[np.uint8]) -> tuple[str, ...]:
    """A warning if decord's pixels differ; compared frame by frame to save memory."""
    levels = [
        float(np.abs(decord_HWC.astype(np.int16) - right_HWC).mean())
        for decord_HWC, right_HWC in zip(decord_THWC, right_THWC, strict=True)
    ]
    wrong = [level for level in levels if level]
    if not wrong:
        return ()
    return (
        f"decord's pixels differ in {len(wrong)} of {counted(len(levels), 'frame')}, by up to "
        f"{max(wrong):.1f} levels on average over a frame: compare with --decoder auto",
    )


__all__ = [
    "DECODERS",
    "ByRate",
    "Frames",
    "Rule",
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
    """Frames sampled from a video, in display order.

    Attributes:
        pixels_THWC: uint8 RGB, upright.
        indices: The T frame numbers, counted from 0.
        seconds: Their times, frame number / average rate, as the published models' prompts had
            them.
        duration: `total` / `fps`, in seconds.
        total: How many frames the video has.
        fps: Its average frame rate.
        decoder: The decoder that was used, `pyav` or `decord`.
        warnings: What a reader of these frames should know.
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
    """The numbers of `count` frames spread evenly over `total`, including the first and the last.

    Numbers are rounded down, and repeat if the video has fewer than `count` frames. The published
    models were trained and evaluated this way.

    Raises:
        VideoError: `total` or `count` is below 1.
    """
    if total < 1 or count < 1:
        raise VideoError(f"cannot sample {counted(count, 'frame')} from a video of {total}")
    return np.linspace(0, total - 1, count, dtype=np.int64)


class Rule(Protocol):
    """Chooses frames of a video by how many it has and how fast they pass."""

    def indices(self, total: int, rate: float) -> NDArray[np.int64]:
        """The ascending numbers of the frames to take, of `total` at this average rate."""


@dataclass(frozen=True, kw_only=True)
class ByRate:
    """Every max(1, round(average rate / `fps`))-th frame, from the first on.

    If these are more than `most`, `most` uniform ones (`sample_indices`); 0 is no limit. LLaVA-NeXT
    and lmms-eval sample by this rule.
    """

    fps: float
    most: int = 0

    def indices(self, total: int, rate: float) -> NDArray[np.int64]:
        """The numbers of the frames of a video with so many, at this average rate.

        Raises:
            VideoError: `total` is below 1.
        """
        if total < 1:
            raise VideoError("cannot sample a video without frames")
        every = np.arange(0, total, max(1, round(rate / self.fps)), dtype=np.int64)
        return sample_indices(total, self.most) if 0 < self.most < len(every) else every


def read_frames(path: str | Path, count: int | Rule, *, decoder: str = AUTO) -> Frames:
    """Sample frames of the video at `path`; memory is bounded by those frames.

    Args:
        path: The video file.
        count: How many frames to sample (`sample_indices`), or the rule that says so.
        decoder: `auto` is PyAV, skipping groups of pictures without a sampled frame if the file
            proves them unnecessary; `pyav` gives the same frames, decoding everything in order;
            `decord` gives what the reference code sees, with a warning if that differs.

    Raises:
        VideoError: The file cannot yield exactly these frames.
        ValueError: `decoder` does not exist.
    """
    if decoder not in DECODERS:
        raise ValueError(f"unknown decoder {decoder!r}: choose {', '.join(DECODERS)}")
    path = Path(path)
    facts = inspect(path)

    def sample(total: int) -> NDArray[np.int64]:
        if isinstance(count, int):
            return sample_indices(total, count)
        return count.indices(total, facts.fps)

    taken = DECODERS[decoder](path, facts, sample)
    indices = sample(taken.total)
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
    """The version of each decoder that can be imported, by name."""
    versions = {"pyav": av.__version__}
    try:
        return {**versions, "decord": str(load_decord().__version__)}
    except VideoError:
        return versions
