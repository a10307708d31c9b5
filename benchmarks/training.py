"""How much packing saves: conversations trained on in a second, by how many share a sequence.

    python benchmarks/training.py                       a tiny shape on a CPU
    python benchmarks/training.py --shape 7b --device cuda     widths and token counts of ViCA2-7B

Each line is measured: forward, backward and nothing else, of one pack on one device. Frames are
not decoded; they are noise. On a CPU the peak memory of each pack is that of a separate process,
and films are read as well: what that costs, and how long a run waits for it. On a GPU it is the
published width at the real token counts (64 frames, 22,144 visual tokens), with as many of the 28
layers as `--layers` says; the line of the projection says what was measured and what was computed
from it.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from machine import describe, now, peak_bytes, reset_peak
from reading import Reading, reading
from vica.config import vica2_7b, vica2_tiny
from vica.merging import Visual
from vica.modeling import ViCA2
from vica.tiny import byte_tokenizer, ids_of
from vica.training.config import Batch, Hardware, LearningRates
from vica.training.dataset import Sample, collate, sequence
from vica.training.loss import PackLoss, attention_of
from vica.training.optimizer import freeze, keep_hiera_in_eval

SHARED, QUESTION, ANSWER, VISUAL = 480, 45, 15, 22_144
"""Ids of the system turn and the time instruction, and of a conversation's own turns: about what a
record of ViCA-322K has with Qwen2's tokenizer, behind so many visual tokens of ViCA2-7B. A smaller
shape has fewer of both, in the same proportion."""
CONVERSATIONS, VIDEOS = 322_003, 6_774
"""ViCA-322K."""
PUBLISHED_HOURS = 8 * 55
"""Of H100 for ViCA-7B, by its report."""
LAYERS = 28
RATES = LearningRates(
    language_model=1e-5, semantic_encoder=1e-5, semantic_projector=1e-5, spatial_projector=1e-5
)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Medians over repetitions of a pack: seconds of the step and of encoding, peak memory.

    Seconds are those of a clock on a GPU, and of the processor on a CPU that others use too.
    """

    seconds: float
    encoding: float
    bytes: int


def pack_of(count: int, model: ViCA2, frames: int, device: torch.device) -> dict[str, Any]:
    """A video of noise and `count` conversations about it."""
    generator = torch.Generator().manual_seed(count)
    config = model.config

    def ids(length: int) -> list[int]:
        found: list[int] = torch.randint(0, 256, (length,), generator=generator).tolist()
        return found

    shared, asked, answered = lengths(model, frames)
    before, after = ids(min(14, shared)), ids(max(0, shared - 14))
    samples = []
    for _ in range(count):
        question, answer = ids(asked), ids(answered)
        whole = [*before, -200, *after, *question, *answer]
        samples.append(Sample(ids=whole, labels=[-100] * (len(whole) - answered) + answer))
    shown = len(config.layout.spatial_indices(frames))
    visual = Visual(
        pixels_FCHW=torch.randn(frames, 3, config.siglip_size, config.siglip_size),
        hiera_pixels_FCHW=torch.randn(shown, 3, config.hiera_size, config.hiera_size),
    )
    batch = collate([sequence(samples, visual)], loss_group=1, pad=0)
    return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}


def lengths(model: ViCA2, frames: int) -> tuple[int, int, int]:
    """Ids that conversations share, and of a question and an answer, beside so many frames."""
    share = model.config.layout.video(frames).total / VISUAL
    shared, asked, answered = (max(1, round(share * n)) for n in (SHARED, QUESTION, ANSWER))
    return shared, asked, answered


def timed(loss: PackLoss, batch: dict[str, Any], device: torch.device, repeats: int) -> Timing:
    """A step, after one that warms up."""
    whole, encoding = [], []
    for repeat in range(repeats + 1):
        loss.zero_grad(set_to_none=True)
        keep_hiera_in_eval(loss.model)
        if repeat == 1:
            reset_peak(device)
        start = now(device)
        loss(batch, batch["groups"])["loss"].backward()
        whole.append(now(device) - start)
        peak = peak_bytes(device)
        loss.zero_grad(set_to_none=True)
        encoding.append(encode(loss, batch, device))
    return Timing(
        seconds=statistics.median(whole[1:]),
        encoding=statistics.median(encoding[1:]),
        bytes=peak,
    )


def peak_alone(count: int, options: argparse.Namespace, layers: int) -> int:
    """The peak memory of one pack in a process that computes nothing else."""
    command = [sys.executable, __file__, "--shape", options.shape, "--device", options.device]
    command += ["--frames", str(options.frames), "--layers", str(layers), "--repeats", "1"]
    command += ["--packs", str(count), "--attention", options.attention, "--alone"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout.split()[-1])


def encode(loss: PackLoss, batch: dict[str, Any], device: torch.device) -> float:
    """Seconds of the encoders alone, forward and backward, which no layer adds to."""
    start = now(device)
    blocks, _ = loss._encoded(batch)
    torch.stack([block.float().sum() for block in blocks]).sum().backward()
    return now(device) - start


def model_of(shape: str, layers: int, device: torch.device) -> ViCA2:
    """Random weights of the shape, all but Hiera trained, recomputing activations."""
    build = vica2_7b if shape == "7b" else vica2_tiny
    changes: dict[str, Any] = {"num_hidden_layers": layers}
    if shape == "tiny":  # unpooled, for thousands of visual tokens
        changes |= ids_of(byte_tokenizer()) | {"mm_spatial_pool_stride": 1, "hiera_pool_stride": 1}
    torch.set_default_dtype(torch.bfloat16 if device.type == "cuda" else torch.float32)
    with torch.device(device):
        model = ViCA2(build(**changes))
    torch.set_default_dtype(torch.float32)
    model.train()
    freeze(model, RATES)
    model.activation_checkpointing_enable({"use_reentrant": False})
    return model


def report(counts: list[int], times: dict[int, Timing]) -> None:
    """A line for each number of conversations."""
    first = times[counts[0]]
    print(
        f"| pack | seconds a pack | of it encoders | conversations/s | times pack {counts[0]} | "
        f"peak memory, GiB | of pack {counts[0]} |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for count in counts:
        t = times[count]
        rate, base = count / t.seconds, counts[0] / first.seconds
        print(
            f"| {count} | {t.seconds:.2f} | {t.encoding:.2f} | {rate:.2f} | **{rate / base:.1f}** "
            f"| {t.bytes / 2**30:.2f} | {t.bytes / first.bytes:.0%} |"
        )


def report_reading(found: Reading, frames: int) -> None:
    """What the data costs, and how long it was waited for."""
    later = found.waited[1:]
    print(
        f"\nMaking a pack ready, {frames} frames of 640x480 at the sizes of ViCA2-7B: "
        f"{found.seconds:.2f} processor seconds of one process.\n"
        f"Waiting for data, a tiny ViCA2 trained on such films, {found.workers} workers: "
        f"{found.waited[0]:.1%} of the first step, then {statistics.mean(later):.1%} on average "
        f"(at most {max(later):.1%}) of {len(later)} steps. Target: under 5%."
    )


def project(
    counts: list[int], full: dict[int, Timing], half: dict[int, Timing], layers: int
) -> None:
    """GPU hours of ViCA-322K from two depths: what a layer adds, times the layers there are."""
    print(f"\nMeasured above: one GPU, {layers} of {LAYERS} layers, forward and backward, noise.")
    print(
        f"Projected: to {LAYERS} layers by the difference to {layers // 2}; over {CONVERSATIONS:,} "
        "conversations;\nno optimizer step, no exchange between GPUs, no waiting for data. "
        f"Published: {PUBLISHED_HOURS} H100 hours (8 x 55)\nfor ViCA-7B, which has no Hiera."
    )
    for count in counts:
        a_layer = (full[count].seconds - half[count].seconds) / (layers - layers // 2)
        a_pack = full[count].seconds + a_layer * (LAYERS - layers)
        # Every video is taken to have the mean of 47.5 conversations, and a last pack of fewer to
        # cost as much as a full one.
        packs = CONVERSATIONS if count == 1 else VIDEOS * math.ceil(CONVERSATIONS / VIDEOS / count)
        print(f"pack {count:2}: {a_pack:7.2f} s a pack, {packs * a_pack / 3600:8.1f} GPU hours")


def measure(options: argparse.Namespace, layers: int) -> dict[int, Timing]:
    """Every number of conversations with so many layers."""
    device, found = torch.device(options.device), {}
    model = model_of(options.shape, layers, device)
    loss = PackLoss(model)
    hardware = Hardware(attention=options.attention)
    for count in options.packs:
        chosen = attention_of(hardware, Batch(pack=count), device)
        model.set_attn_implementation({"": chosen})
        batch = pack_of(count, model, options.frames, device)
        found[count] = timed(loss, batch, device, options.repeats)
        if device.type == "cpu" and not options.alone:
            alone = peak_alone(count, options, layers)
            found[count] = replace(found[count], bytes=alone)
    tokens = model.config.layout.video(options.frames).total
    shared, asked, answered = lengths(model, options.frames)
    if not options.alone:
        print(
            f"\n{options.shape}, {layers} layers, {tokens:,} visual tokens, {shared} ids shared by "
            f"a video's conversations, {asked + answered} of each alone; attention of the last "
            f"pack: {chosen}\n"
        )
        report(options.packs, found)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--shape", choices=["tiny", "7b"], default="tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--packs", type=int, nargs="+", default=[1, 4, 16, 47])
    parser.add_argument("--attention", default="auto", help="hardware.attention of a training")
    parser.add_argument("--layers", type=int, default=0, help="of the language model")
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="that read films; 0 reads none")
    parser.add_argument("--alone", action="store_true", help="print the peak memory and no more")
    options = parser.parse_args()
    real = options.shape == "7b"
    layers = options.layers or (8 if real else 2)
    if options.alone:
        print(measure(options, layers)[options.packs[0]].bytes)
        return
    print(f"{describe(torch.device(options.device))}.")
    depths = [layers // 2, layers] if real else [layers]
    times = {depth: measure(options, depth) for depth in depths}
    if real:
        project(options.packs, times[layers], times[layers // 2], layers)
    if options.device == "cpu" and options.workers:
        with TemporaryDirectory() as folder:
            found = reading(Path(folder), options.frames, options.workers)
        report_reading(found, options.frames)


if __name__ == "__main__":
    main()
