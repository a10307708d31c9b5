"""What the benchmark of one shared prefill says, as lines of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from both import NEW, Measured, Pipeline
from operations import Floor

VIDEOS, QUESTIONS = 288, 5130  # the load of VSI-Bench
TYPICAL = 18  # questions a video, 5130 / 288 rounded
H200 = 790e12
"""Operations a second that the computed floor assumes: 80% of the 989e12 of dense bfloat16 that
NVIDIA states for an H200."""


def table(ours: dict[int, list[Measured]], loop: Sequence[float]) -> list[str]:
    """Seconds for a video and their ratio, by the number of questions."""
    each = median(loop)
    rows = []
    for count, repeats in ours.items():
        seconds = [found.seconds for found in repeats]
        peak = max(found.peak for found in repeats)
        rows.append(
            f"| {count} | {count * each:.2f} | {median(seconds):.2f} ({_spread(seconds)}) | "
            f"**{count * each / median(seconds):.1f}** | {peak / 2**30:.2f} |"
        )
    return [
        "| questions | per-question loop, s | one prefill, s (min–max of three) | ratio | peak of "
        "ours, GiB |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]


def passes(loop: Sequence[float]) -> list[str]:
    """What the passes of the loop took, from which its column is made."""
    return [
        f"A pass of the loop: {median(loop):.2f} s, the median of {len(loop)} ({_spread(loop)}); "
        f"all of them {sum(loop):.2f} s."
    ]


def memory(ours: dict[int, list[Measured]]) -> list[str]:
    """How the peak grows with the number of questions."""
    few, many = min(ours), TYPICAL if TYPICAL in ours else max(ours)
    peaks = [max(found.peak for found in ours[count]) for count in (few, many)]
    return [
        f"Peak memory of answering {many}: {peaks[1] / peaks[0]:.1%} of that of answering {few}, "
        "weights included (target at 18: 115% or less).\n"
    ]


def measured_floor(floor: Floor, rate: float, vision: float, prefill: float) -> list[str]:
    """What the operations would take at the rate of a matrix product, beside what they took."""
    return [
        f"Prefill of the shared prefix: {_tera(floor.prefix)} in {prefill:.3f} s by the clock, "
        f"{floor.prefix / prefill / rate:.0%} of the matrix product's rate (target on a GPU: 50% "
        f"or more). Encoders: {_tera(floor.encoders)} in {vision:.3f} s, "
        f"{floor.encoders / vision / rate:.0%}.",
        f"Floor for {TYPICAL} questions: {_tera(floor.total)} by formula "
        f"({floor.own / floor.total:.1%} of it the questions' own) over that rate, "
        f"{floor.total / rate:.2f} s.\n",
    ]


def load(found: Pipeline, *, projected: bool) -> list[str]:
    """What whole videos took through the engine; for the published shape, VSI-Bench projected."""
    lines = [
        f"Through the engine, {found.videos} videos of {TYPICAL} questions, decoded ahead by "
        f"{found.workers} processes: the first is waited for {found.start:.2f} s; then "
        f"{found.each:.2f} s a video, {found.waiting:.1%} of it waiting for video (target with 16 "
        "cores: under 5%)."
    ]
    if projected:
        minutes = (found.start + found.each * VIDEOS) / 60
        lines.append(
            f"Projected, not measured: {VIDEOS} videos with {QUESTIONS:,} questions at that pace "
            f"are {minutes:.1f} minutes (target: 8 or less on one H200), as far as VSI-Bench's "
            "videos are decoded as fast as this film."
        )
    return [*lines, ""]


def by_formula(floor: Floor, frames: int, own: Sequence[int]) -> list[str]:
    """The floor of the published shape, which needs no GPU."""
    seconds = floor.total / H200
    return [
        "## ViCA2-7B by formula: computed, not measured\n",
        f"{frames} frames, {len(own)} questions of {min(own)} to {max(own)} tokens of their own, "
        f"{NEW} new tokens a reply; seconds at {H200 / 1e12:.0f} TFLOP/s, 80% of what NVIDIA "
        "states for an H200 in dense bfloat16.\n",
        "| | TFLOP | s |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {part / 1e12:,.1f} | {part / H200:.3f} |"
            for name, part in (
                ("encoders", floor.encoders),
                ("shared prefix", floor.prefix),
                ("questions' own tokens", floor.own),
                ("one prefill, all of it", floor.total),
                ("per-question loop", floor.loop),
            )
        ),
        f"\nThe loop does {floor.loop / floor.total:.1f} times the operations of one prefill. "
        f"{VIDEOS} videos at the floor: {VIDEOS * seconds / 60:.1f} minutes; with the prefix at "
        f"half that rate and the rest at it, "
        f"{VIDEOS * (seconds + floor.prefix / H200) / 60:.1f} minutes.",
    ]


def _tera(operations: float) -> str:
    return f"{operations / 1e12:,.3f} TFLOP"


def _spread(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.2f}–{max(seconds):.2f}"
