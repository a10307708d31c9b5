"""What exact frames cost: 64 frames of short and long films, by each decoder, in one run.

Films are 640x480 at 30 frames a second, a camera that moves over a coarse texture, in H.264 and
HEVC with the encoders' own groups of pictures (a keyframe at least every 250 frames) and with a
keyframe every second, as phones film. Prints a table in Markdown, in processor seconds of all
threads, which other work on the machine disturbs less than the clock.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray
from vica.video import Frames, VideoError, decord_frames, read_frames

WANTED, COPIES, FPS = 64, 6, 30
WIDTH, HEIGHT = 640, 480
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "H.264": ("libx264", {"preset": "veryfast"}),
    "HEVC": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:bframes=4"}),
}
GROUPS = {"250 frames": 250, "1 second": FPS}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One film, and the processor seconds that 64 of its frames take; NaN where decord fails."""

    codec: str
    group: str
    frames: int
    decord: float
    auto: float
    in_order: float
    others: int

    def __str__(self) -> str:
        fails = math.isnan(self.decord)
        cells = (
            self.codec,
            self.group,
            f"{self.frames:,}",
            "fails" if fails else f"{self.decord:.2f}",
            f"{self.auto:.2f}",
            "" if fails else f"**{self.auto / self.decord:.2f}**",
            f"{self.in_order:.2f}",
            "" if fails else f"{self.others} of {WANTED}",
        )
        return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="the median of so many is taken")
    parser.add_argument(
        "--frames", type=int, default=1500, help="of a short film; a long has 6 times"
    )
    given = parser.parse_args()
    print("| film | keyframes | frames | decord, s | auto, s | ratio | pyav, s | wrong by decord |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for codec in ENCODERS:
            for group, length in GROUPS.items():
                film = Path(folder) / "film.mp4"
                encode(film, codec, length, given.frames)
                longer = repeat(film, Path(folder) / "longer.mp4", given.frames)
                for path in (film, longer):
                    print(measured(path, codec, group, given.repeats), flush=True)


def measured(film: Path, codec: str, group: str, repeats: int) -> Row:
    """A row of the table."""
    right = read_frames(film, WANTED)
    try:
        others = differing(right, decord_frames(film, right.total, right.indices))
        decord = seconds(lambda: decord_frames(film, right.total, right.indices), repeats)
    except VideoError:  # it gives up on some files
        others, decord = WANTED, float("nan")
    return Row(
        codec=codec,
        group=group,
        frames=right.total,
        decord=decord,
        auto=seconds(lambda: read_frames(film, WANTED), repeats),
        in_order=seconds(lambda: read_frames(film, WANTED, decoder="pyav"), repeats),
        others=others,
    )


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Processor seconds of all threads: the median."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def differing(right: Frames, given_THWC: NDArray[np.uint8]) -> int:
    """How many frames are others."""
    pairs = zip(right.pixels_THWC, given_THWC, strict=True)
    return sum(not np.array_equal(one, other) for one, other in pairs)


def encode(path: Path, codec: str, group: int, frames: int) -> None:
    """Write the short film."""
    encoder, options = ENCODERS[codec]
    coarse_HWC = np.random.default_rng(0).integers(0, 256, (420, 560, 3), np.uint8)
    texture_HWC = coarse_HWC.repeat(4, axis=0).repeat(4, axis=1)
    with av.open(str(path), "w") as file:
        stream = cast("VideoStream", file.add_stream(encoder, rate=FPS))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options, stream.gop_size = dict(options), group
        for index in range(frames):
            top, left = int(500 + 400 * np.sin(index / 90)), int(700 + 600 * np.sin(index / 140))
            frame_HWC = np.ascontiguousarray(texture_HWC[top : top + HEIGHT, left : left + WIDTH])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")))
        file.mux(stream.encode())


def repeat(film: Path, path: Path, frames: int) -> Path:
    """Write the long film: the short one, several times."""
    with av.open(str(path), "w") as file:
        stream = None
        for copy in range(COPIES):
            with av.open(str(film)) as source:
                old = source.streams.video[0]
                stream = stream or file.add_stream_from_template(old)
                for packet in source.demux(old):
                    if packet.pts is None or packet.dts is None or packet.time_base is None:
                        continue
                    later = int(copy * frames / FPS / packet.time_base)
                    packet.pts, packet.dts = packet.pts + later, packet.dts + later
                    packet.stream = stream
                    file.mux(packet)
    return path


if __name__ == "__main__":
    main()
