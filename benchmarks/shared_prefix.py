"""One video, many questions: the per-question loop against one shared prefill, in one run.

    python benchmarks/shared_prefix.py                                 # a small shape, on a CPU
    python benchmarks/shared_prefix.py --shape 7b --device cuda        # the published, on a GPU

The loop is what harnesses do: for every question decode the video, preprocess it, encode it, read
the whole prompt and answer. Ours decodes, encodes and prefills once. Both use the same model with
random weights (so no reply ends by itself: all have as many new tokens), the same file, and the
same device. Times depend on the machine; read the ratios. Prints a report in Markdown.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from itertools import accumulate
from pathlib import Path

import torch
from both import NEW, Bench, Measured, prompts, shape, write_video
from machine import describe, matmul_rate
from operations import own_operations, prefix_operations, vision_operations
from vica.chat import token_ids
from vica.modeling import ViCA
from vica.video import read_frames

from vicabench.engine.timing import Timing

VIDEOS, QUESTIONS = 288, 5130  # the load of VSI-Bench
TYPICAL = 18  # questions a video, 5130 / 288 rounded


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=("small", "7b"), default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=int, default=0, help="64 for 7b, 144 for small")
    parser.add_argument("--film", type=int, default=0, help="frames of the film: 1500, or 300")
    parser.add_argument("--questions", default="1,4,18,48")
    parser.add_argument("--videos", type=int, default=4, help="of the pipeline measurement")
    parser.add_argument("--out", type=Path, help="write the report here too")
    return parser.parse_args()


def main() -> None:
    """Measure, and print the report."""
    chosen = options()
    device, large = torch.device(chosen.device), chosen.shape == "7b"
    counts = [int(count) for count in chosen.questions.split(",")]
    model = shape(chosen.shape, device)
    rate = matmul_rate(device, model.dtype)
    with tempfile.TemporaryDirectory() as folder:
        film = write_video(Path(folder) / "film.mp4", chosen.film or (1500 if large else 300))
        bench = Bench(model, film, chosen.frames or (64 if large else 144))
        texts = prompts(max(counts))
        bench.loop(texts[0])  # the first of anything is slow
        bench.ours(texts[:2])
        ours = {count: bench.ours(texts[:count]) for count in counts}
        loop = dict(enumerate(accumulate(bench.loop(text) for text in texts), start=1))
        vision, prefill, length = bench.prefill(texts)
        workers = min(4, max(1, (os.cpu_count() or 1) // 4))
        timing = bench.pipeline(chosen.videos, TYPICAL, workers)
        lines = [
            f"## {chosen.shape}, {bench.frames} frames, {length:,} shared tokens\n",
            f"{describe(device)}; {facts(model)}, {NEW} new tokens a reply; largest matrix product "
            f"{rate / 1e12:,.2f} TFLOP/s; {'' if device.type == 'cuda' else 'CPU '}seconds.\n",
            *table(ours, loop),
            *floor(bench, texts[:TYPICAL], rate, vision, prefill, length),
            *load(timing, large),
        ]
    report = "\n".join(lines) + "\n"
    print(report)
    if chosen.out:
        chosen.out.write_text(report, encoding="utf-8")


def facts(model: ViCA) -> str:
    """The size and dtype of a model."""
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    return (
        f"{millions:,.1f} M parameters, random weights, {str(model.dtype).removeprefix('torch.')}"
    )


def table(ours: dict[int, Measured], loop: dict[int, float]) -> list[str]:
    """Seconds for a video and their ratio, by the number of questions."""
    rows = [
        f"| {count} | {loop[count]:.2f} | {found.seconds:.2f} | "
        f"**{loop[count] / found.seconds:.1f}** | {found.peak / 2**30:.2f} |"
        for count, found in ours.items()
    ]
    return [
        "| questions | per-question loop, s | one prefill, s | ratio | peak of ours, GiB |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]


def floor(
    bench: Bench, texts: list[str], rate: float, vision: float, prefill: float, length: int
) -> list[str]:
    """What the operations would take at the rate of a matrix product, beside what they took."""
    frames = read_frames(bench.video, bench.frames).pixels_THWC
    encoders = vision_operations(bench.model, bench.processor.video(frames))
    prefix = prefix_operations(bench.model, length)
    layout = bench.model.config.layout.video(bench.frames)
    rows = [len(token_ids(text, bench.processor.tokenizer)) - 1 + layout.total for text in texts]
    own = own_operations(bench.model, length, [row - length for row in rows], NEW)
    total = encoders + prefix + own
    return [
        f"Prefill of the shared prefix: {prefix / 1e12:,.3f} TFLOP in {prefill:.3f} s, "
        f"{prefix / prefill / rate:.0%} of the matrix product's rate. Encoders: "
        f"{encoders / 1e12:,.3f} TFLOP in {vision:.3f} s, {encoders / vision / rate:.0%}.",
        f"Floor for {len(texts)} questions: {total / 1e12:,.3f} TFLOP by formula "
        f"({own / total:.1%} of it the questions' own) over that rate, {total / rate:.2f} s.\n",
    ]


def load(timing: Timing, large: bool) -> list[str]:
    """What whole videos took through the engine; for the published shape, VSI-Bench projected."""
    each = timing.wall / timing.videos
    lines = [
        f"Through the engine, {timing.videos} videos of {TYPICAL} questions, decoded ahead by "
        f"{timing.workers} processes: {each:.2f} s a video, {timing.waiting / timing.wall:.1%} of "
        "the time waiting for video."
    ]
    if large:
        minutes = each * VIDEOS / 60
        lines.append(
            f"Projected, not measured: {VIDEOS} videos with {QUESTIONS:,} questions at that pace "
            f"are {minutes:.1f} minutes."
        )
    return lines


if __name__ == "__main__":
    main()
