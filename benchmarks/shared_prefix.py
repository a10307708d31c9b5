"""One video, many questions: the per-question loop against one shared prefill, in one run.

    python benchmarks/shared_prefix.py                                 # a small shape, on a CPU
    python benchmarks/shared_prefix.py --shape 7b --device cuda        # the published, on a GPU

The loop is what harnesses do: for every question decode the video, preprocess it, encode it, read
the whole prompt and answer. Ours decodes, encodes and prefills once. Both use the same model with
random weights (so no reply ends by itself: all have as many new tokens), the same file, and the
same device. Ours is measured three times at each number of questions. A pass of the loop knows
nothing of the others, so its passes, as many as there are questions, are the repetitions, and n
questions take n times their median. There are fewer passes where so many would take more than
three minutes: all of it is to end within eight, the published shape on a GPU too. Times depend on
the machine; read the ratios. Prints a report in Markdown.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from both import NEW, Bench, Measured, prompts, shape, write_video
from machine import describe, matmul_rate
from operations import floor
from report import TYPICAL, by_formula, load, measured_floor, memory, passes, table
from vica.chat import token_ids
from vica.config import vica2_7b
from vica.modeling import ViCA
from vica.tiny import byte_tokenizer, ids_of

REPEATS = 3
LOOP_SECONDS = 180.0
"""What all passes of the loop may take together."""
FRAMES_7B = 64


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=("small", "7b"), default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=int, default=0, help="64 for 7b, 144 for small")
    parser.add_argument("--film", type=int, default=0, help="frames of the film: 1500, or 300")
    parser.add_argument("--questions", default="1,4,18,48")
    parser.add_argument(
        "--videos", type=int, default=0, help="through the engine, 2 or more: 12 on a GPU, or 4"
    )
    parser.add_argument("--compile", action="store_true", help="as in vicabench run; both ways")
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
        length_of_film = chosen.film or (1500 if large else 300)
        film = write_video(Path(folder) / "film.mp4", length_of_film)
        frames = chosen.frames or (FRAMES_7B if large else 144)
        bench = Bench(model, film, frames, compile=chosen.compile)
        texts = prompts(max(*counts, TYPICAL))
        bench.loop(texts[0])  # the first of anything is slow
        bench.ours(texts[:2])
        passes_of_loop = affordable(bench, texts[0], max(counts))
        ours = {n: [bench.ours(texts[:n]) for _ in range(REPEATS)] for n in counts}
        loop = [bench.loop(text) for text in texts[:passes_of_loop]]
        workers = min(4, max(1, (os.cpu_count() or 1) // 4))
        videos = chosen.videos or (12 if device.type == "cuda" else 4)
        pipeline = bench.pipeline(videos, TYPICAL, workers)
    shared, own = lengths(bench, texts[:TYPICAL])
    here = floor(model.config, bench.frames, shared, own, NEW)
    published = floor(vica2_7b(**ids_of(byte_tokenizer())), FRAMES_7B, shared, own, NEW)
    length = model.config.layout.video(bench.frames).total + shared
    lines = [
        f"## {chosen.shape}, {bench.frames} frames, {length:,} shared tokens\n",
        f"{describe(device)}; {facts(model)}{', compiled' if chosen.compile else ''}; a film of "
        f"{length_of_film:,} frames of 640x480; {NEW} new tokens a reply; largest matrix product "
        f"{rate / 1e12:,.2f} TFLOP/s; {'' if device.type == 'cuda' else 'CPU '}seconds.\n",
        *table(ours, loop),
        *passes(loop),
        *memory(ours),
        *measured_floor(here, rate, *stages(ours[max(counts)])),
        *load(pipeline, projected=large),
        *by_formula(published, FRAMES_7B, own),
    ]
    report = "\n".join(lines) + "\n"
    print(report)
    if chosen.out:
        chosen.out.write_text(report, encoding="utf-8")


def affordable(bench: Bench, text: str, wanted: int) -> int:
    """How many passes of the loop fit into its share of the time, by the clock: at least three."""
    started = perf_counter()
    bench.loop(text)
    return min(wanted, max(3, int(LOOP_SECONDS / (perf_counter() - started))))


def lengths(bench: Bench, texts: list[str]) -> tuple[int, list[int]]:
    """How many ids the prompts share beside the video's tokens, and how many each has alone."""
    rows = [token_ids(text, bench.processor.tokenizer) for text in texts]
    columns = zip(*rows, strict=False)
    shared = next(place for place, ids in enumerate(columns) if len(set(ids)) > 1)
    return shared - 1, [len(row) - shared for row in rows]  # one of them stands for the video


def stages(repeats: list[Measured]) -> tuple[float, float]:
    """The median seconds of the encoders and of prefilling the shared prefix."""
    return median(each.vision for each in repeats), median(each.prefill for each in repeats)


def facts(model: ViCA) -> str:
    """The size, dtype and attention of a model."""
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    dtype, attention = str(model.dtype).removeprefix("torch."), model.config._attn_implementation
    return f"{millions:,.1f} M parameters, random weights, {dtype}, {attention} attention"


if __name__ == "__main__":
    main()
