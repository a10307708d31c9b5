"""What each video contributes to each score, and the standard errors that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import nct, t

from vicabench.rubric import MICRO, VARIANTS, Rubric
from vicabench.scoring.stats import FEWEST_VIDEOS, grouping
from vicabench.types import Grade

Floats = NDArray[np.float64]
LEVEL, POWER = 0.05, 0.8


@dataclass(frozen=True, kw_only=True, eq=False)
class Clusters:
    """Sums of values and counts of questions by video and question type, of one or of two runs.

    Shapes: V videos, K question types, S statistics: the tasks in order, headline, micro.
    """

    sums_VK: Floats
    counts_VK: Floats
    videos: Mapping[str, int]
    types: Mapping[str, int]
    tasks: tuple[str, ...]
    rubric: Rubric

    @classmethod
    def of(cls, values: Iterable[tuple[Grade, float]], rubric: Rubric) -> Clusters:
        """The table of a value for each grade."""
        values = list(values)
        videos = {video: row for row, video in enumerate(sorted({g.video for g, _ in values}))}
        types = {kind: column for column, kind in enumerate(sorted({g.task for g, _ in values}))}
        sums_VK = np.zeros((len(videos), len(types)))
        counts_VK = np.zeros_like(sums_VK)
        for grade, value in values:
            sums_VK[videos[grade.video], types[grade.task]] += value
            counts_VK[videos[grade.video], types[grade.task]] += 1
        asked = [task.name for task in rubric.tasks if any(kind in types for kind in task.types)]
        return cls(
            sums_VK=sums_VK,
            counts_VK=counts_VK,
            videos=videos,
            types=types,
            tasks=tuple(asked),
            rubric=rubric,
        )

    def contributions(self) -> Floats:
        """What each video contributes to each statistic, (V, S); a column sums to its statistic.

        A headline over groups of variants, which is not a mean over questions, has the mean over
        questions in its place. A question type that no video asks contributes nothing.
        """
        counts_K = self.counts_VK.sum(axis=0)
        means_VK = self.sums_VK / np.maximum(counts_K, 1)
        places = {
            task.name: [self.types[kind] for kind in task.types if kind in self.types]
            for task in self.rubric.tasks
            if task.name in self.tasks
        }
        tasks = {name: means_VK[:, place].mean(axis=1) for name, place in places.items()}
        micro_V = self.sums_VK.sum(axis=1) / counts_K.sum()
        headline = self.rubric.headline
        if headline.how in (MICRO, VARIANTS):
            overall_V = micro_V
        else:
            groups, weights = grouping(headline, tasks)
            means = [np.mean([tasks[name] for name in group], axis=0) for group in groups]
            overall_V = np.average(means, axis=0, weights=weights or None)
        return np.stack([*tasks.values(), overall_V, micro_V], axis=1)

    def deviations(self) -> Floats:
        """The contributions of the values less their type's mean, (V, S): columns sum to 0."""
        return self.centred().contributions()

    def centred(self) -> Clusters:
        """The same table with each value less the mean of its question type."""
        means_K = self.sums_VK.sum(axis=0) / np.maximum(self.counts_VK.sum(axis=0), 1)
        return replace(self, sums_VK=self.sums_VK - means_K * self.counts_VK)

    def ones(self) -> Clusters:
        """The table in which every question has the value 1: its contributions are weights."""
        return replace(self, sums_VK=self.counts_VK)

    def question_weights(self) -> Floats:
        """How much one question of each type contributes to each statistic, (S, K)."""
        counts_K = self.counts_VK.sum(axis=0)
        single = [
            replace(self, sums_VK=self.counts_VK * (np.arange(len(counts_K)) == kind))
            for kind in range(len(counts_K))
        ]
        sums_SK = np.stack([each.contributions().sum(axis=0) for each in single], axis=1)
        return np.asarray(sums_SK / np.maximum(counts_K, 1), dtype=np.float64)

    def errors(self) -> Floats:
        """The standard error of each statistic over samples of videos, (S,)."""
        videos = len(self.videos)
        squares_S = (self.deviations() ** 2).sum(axis=0)
        return np.asarray(np.sqrt(squares_S * videos / max(videos - 1, 1)), dtype=np.float64)

    def asking(self) -> NDArray[np.int64]:
        """How many videos ask something that each statistic rests on, (S,)."""
        return np.asarray((self.ones().contributions() > 0).sum(axis=0), dtype=np.int64)


def detectable(error: float, videos: int, *, level: float = LEVEL, power: float = POWER) -> float:
    """The true difference that a two-sided test shows with this power, in the unit of `error`.

    By the noncentral t distribution with `videos` - 1 degrees of freedom. NaN with fewer videos
    than an interval takes.
    """
    if videos < FEWEST_VIDEOS:
        return float("nan")
    if error == 0:
        return 0.0
    critical = t.ppf(1 - level / 2, videos - 1)

    def lacking(shift: float) -> float:
        return float(nct.sf(critical, videos - 1, shift) - power)

    return float(brentq(lacking, 0.0, 3 * critical + 10.0)) * error
