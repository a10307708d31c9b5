"""What the judgements of a run come to: the mean of every criterion over its videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vicabench.judging.prompt import CRITERIA
from vicabench.shares import mean_of

OVERALL = "mean"
COLUMNS = {**CRITERIA, OVERALL: "Mean of the three"}
"""All that is reported of a run, by name, with its title."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean in [0, 10], or a difference of means, with its 95% interval over so many videos.

    The ends are NaN where there are too few videos for an interval.
    """

    value: float
    low: float
    high: float
    videos: int


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A run after it was judged: `scores` of each video, `means` over them, by `COLUMNS`.

    `undescribed` videos have no description and count as 0. Of `unjudged` ones the judge gave no
    score: they are in no mean. Of `cut` descriptions only the beginning was judged.
    """

    model: str
    scores: Mapping[str, Mapping[str, float]]
    means: Mapping[str, Mean]
    undescribed: int
    unjudged: int
    cut: int
    notes: tuple[str, ...] = ()


def means_of(scores: Mapping[str, Mapping[str, float]]) -> dict[str, Mean]:
    """The mean of every column over the videos; NaN for no video."""
    videos = list(scores)
    found = {}
    for name in COLUMNS:
        value, low, high = mean_of([scores[video][name] for video in videos], videos)
        found[name] = Mean(value=value, low=low, high=high, videos=len(videos))
    return found


def changes(before: Judged, after: Judged) -> dict[str, Mean]:
    """How much better the second is, by video, on the videos that both have scores of."""
    return means_of(
        {
            video: {name: after.scores[video][name] - there[name] for name in COLUMNS}
            for video, there in before.scores.items()
            if video in after.scores
        }
    )


def with_overall(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores of one description, and their mean."""
    return {**scores, OVERALL: sum(scores[name] for name in CRITERIA) / len(CRITERIA)}
