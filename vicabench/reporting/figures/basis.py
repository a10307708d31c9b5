"""What every figure says about itself: questions, videos, protocol, intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vicabench.scoring.stats import FEWEST_VIDEOS
from vicabench.text import counted
from vicabench.types import Scores

HOW = f"95%, bootstrap over videos, none of fewer than {FEWEST_VIDEOS}"
INTERVALS, BANDS = f"Intervals: {HOW}.", f"Bands: {HOW}."


def basis(scores: Sequence[Scores]) -> str:
    """`n = 5,130 questions in 288 videos; protocol official.`, as ranges where runs differ."""
    asked = spread((row.overall.count for row in scores), "question")
    videos = spread((row.overall.clusters for row in scores), "video")
    protocols = ", ".join(dict.fromkeys(row.protocol for row in scores))
    text = f"n = {asked} in {videos}; protocol {protocols}."
    failed = [row.overall.failed for row in scores]
    return text + (f" {spread(failed)} unanswered, counted as wrong." if any(failed) else "")


def spread(counts: Iterable[int], noun: str | None = None) -> str:
    """`5,130`, or `1,204–5,130` where the counts differ, with the noun that they count."""
    found = sorted(set(counts))
    most = f"{found[-1]:,}" if noun is None else counted(found[-1], noun)
    return most if len(found) == 1 else f"{found[0]:,}–{most}"
