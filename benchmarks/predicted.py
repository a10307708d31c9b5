"""Seconds a video that a GPU should take, predicted from what `launches.py` counts.

    python benchmarks/predicted.py            # ViCA2-7B on an H200, without one
    python benchmarks/predicted.py --check    # the same model of time against this CPU's seconds

A stage takes the sum of three times: its operations at the rate of a large product of matrices,
its bytes at the memory's bandwidth, and its launches at a fixed time each. The sum is too much
where they overlap, and too little where a kernel reaches neither rate. For a GPU the three numbers
are stated; for the CPU they are measured in the same run, on other computations.
Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from both import NEW, prompts, shape
from launches import FRAMES, Count, counted, stored_first
from machine import describe
from report import H200, TYPICAL, VIDEOS
from vica.config import vica2_7b
from vica.merging import Visual
from vica.predictor import Predictor, Stopwatch
from vica.processing import ViCAProcessor
from vica.tiny import byte_tokenizer, ids_of

STEPS = NEW - 1
"""Steps of decoding a video: the first of a reply's tokens comes from its prompt."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Operations and bytes a second, and seconds a launch."""

    rate: float
    bandwidth: float
    launch: float

    def seconds(self, count: Count) -> tuple[float, float, float]:
        """What a stage takes for its operations, its bytes and its launches."""
        return (
            count.tflop * 1e12 / self.rate,
            count.gigabytes * 1e9 / self.bandwidth,
            count.launches * self.launch,
        )


GPU = Machine(rate=H200, bandwidth=4.8e12, launch=4e-6)
"""An H200: 80% of the dense bfloat16 rate that NVIDIA states, its stated bandwidth, and what a
launch from Python takes."""
SIDE = 1536
"""Of the matrices whose product gives a CPU's rate."""
LONG = 1024
"""Tokens of a reply of a Thinking model."""


def main() -> None:
    """Predict, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="on this CPU, a small shape")
    parser.add_argument("--frames", type=int, default=144, help="of the check")
    chosen = parser.parse_args()
    print("\n".join(checked(chosen.frames) if chosen.check else published()))


def published() -> list[str]:
    """The table of ViCA2-7B."""
    config = vica2_7b(**ids_of(byte_tokenizer()))
    stages = counted(config, FRAMES, TYPICAL)
    first = stored_first()
    before = {
        name: Count(**{**vars(count), "launches": first[name]}) for name, count in stages.items()
    }
    total, was = (sum(_video(each).values()) for each in (stages, before))
    step, launching = sum(GPU.seconds(stages["step"])), GPU.seconds(stages["step"])[2]
    return [
        f"{FRAMES} frames, {TYPICAL} questions, {NEW} new tokens a reply; {GPU.rate / 1e12:.0f} "
        f"TFLOP/s, {GPU.bandwidth / 1e12:.1f} TB/s, {GPU.launch * 1e6:.0f} us a launch.\n",
        "| stage | operations, s | bytes, s | launches, s | together, s |",
        "| --- | --- | --- | --- | --- |",
        *(_row(name, count) for name, count in stages.items()),
        f"| a video, of {STEPS} steps | | | | **{total:.2f}** |",
        f"\n{VIDEOS} videos: {total * VIDEOS / 60:.1f} minutes. With the launches of the first "
        f"entry of `launches.json` and all else as now {was:.2f} s a video. {TYPICAL} replies of "
        f"{LONG:,} tokens: {LONG * step:.1f} s, or {LONG * (step - launching):.1f} s where steps "
        "are captured and launching takes no time.",
    ]


def _video(stages: Mapping[str, Count]) -> dict[str, float]:
    """Seconds of each stage of one video, all steps together."""
    times = {name: STEPS if name == "step" else 1 for name in stages}
    return {name: times[name] * sum(GPU.seconds(count)) for name, count in stages.items()}


def _row(name: str, count: Count) -> str:
    parts = GPU.seconds(count)
    return f"| {name} | {' | '.join(f'{part:.4f}' for part in parts)} | {sum(parts):.4f} |"


class Spent(Stopwatch):
    """A stopwatch that keeps the seconds of each time a stage runs, computed by this process."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    @contextmanager
    def measure(self, stage: str, device: torch.device) -> Iterator[None]:
        """Keep the processor seconds that the block takes."""
        del stage, device
        started = time.process_time()
        yield
        self.times.append(time.process_time() - started)


def checked(frames: int) -> list[str]:
    """Predicted and measured seconds of a small shape on this CPU."""
    torch.set_num_threads(1)
    here, device = this_cpu(), torch.device("cpu")
    model = shape("small", device)
    stages = counted(model.config, frames, TYPICAL, torch.float32, batch=8)
    measured = _measured(Predictor(model, ViCAProcessor(byte_tokenizer(), model.config)), frames)
    rows = [
        f"| {name} | {sum(here.seconds(count)):.3f} | {measured[name]:.3f} | "
        f"**{measured[name] / sum(here.seconds(count)):.2f}** |"
        for name, count in stages.items()
    ]
    return [
        f"{describe(device)}; {frames} frames, {TYPICAL} questions; {here.rate / 1e9:.0f} GFLOP/s, "
        f"{here.bandwidth / 1e9:.1f} GB/s, {here.launch * 1e6:.1f} us a launch; processor "
        "seconds.\n",
        "| stage | predicted, s | measured, s | measured / predicted |",
        "| --- | --- | --- | --- |",
        *rows,
    ]


def _measured(predictor: Predictor, frames: int) -> dict[str, float]:
    """The least seconds of each stage, of three times."""
    config, texts = predictor.model.config, prompts(TYPICAL)
    side, hiera = config.siglip_size, config.hiera_size  # type: ignore[attr-defined]  # a ViCA2
    share = len(config.layout.spatial_indices(frames))
    video = Visual(
        pixels_FCHW=torch.randn(frames, 3, side, side),
        hiera_pixels_FCHW=torch.randn(share, 3, hiera, hiera),
    )
    runs = []
    for _ in range(3):
        spent = predictor.spent = Spent()
        encoded = predictor.encode(video, texts)
        for new in (2, 2 + STEPS):
            predictor.answer(encoded, texts, max_new_tokens=new)
        vision, prefill, suffixes, few, _, more = spent.times
        runs.append((vision, prefill, suffixes, (more - few) / STEPS))
    least = [min(column) for column in zip(*runs, strict=True)]
    return dict(zip(("vision", "prefill", "suffixes", "step"), least, strict=True))


def this_cpu() -> Machine:
    """The rates of this CPU: of a large product, of copying much, and of adding little.

    In processor seconds, as the stages: by the clock they would be those of a shared machine.
    """
    large, small = torch.randn(64_000_000), torch.randn(8)
    copies = min(_seconds(large.clone, 1) for _ in range(3))
    left, right = torch.randn(2, SIDE, SIDE)
    products = min(_seconds(lambda: left @ right, 1) for _ in range(10))
    adds = min(_seconds(lambda: small.add(small), 10_000) for _ in range(3))
    return Machine(
        rate=2 * SIDE**3 / products,
        bandwidth=2 * large.numel() * large.element_size() / copies,
        launch=adds,
    )


def _seconds(work: Callable[[], object], times: int) -> float:
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


if __name__ == "__main__":
    main()
