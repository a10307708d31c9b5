"""The difference of two scores, split into what was asked, how it was read and how aggregated.

Two sides differ in several factors. With the score of every combination of them, a factor's part is
the mean, over the orders in which the factors can be changed, of what changing it adds (Shapley,
"A value for n-person games", 1953). The parts add up to the whole difference.

Shapes: F factors, C = 2^F combinations, V videos, K question types, S scores (the headline, then
the tasks), R resamples, B of them in a block, X rows of any kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import factorial

import numpy as np
from numpy.typing import NDArray

from vicabench.rubric import MICRO, VARIANTS, Rubric
from vicabench.scoring.stats import (
    RESAMPLES,
    grouping,
    interval_of,
    variant_grades,
    video_resamples,
    whole_rows,
)
from vicabench.types import Estimate, Grade

FACTORS = ("asking", "reading", "aggregating")
"""What two runs can differ in; asking may be split further, and the last two always come last."""
Combination = tuple[int, ...]
"""For each factor whose it is: 0 for A's, 1 for B's."""
HEADLINE = "average"
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Split:
    """The difference of one score, B minus A in points, and its parts, which add up to it.

    The means are exact; each interval is a 95% interval from a bootstrap over videos.
    """

    score_a: float
    score_b: float
    difference: Estimate
    parts: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class Averaging:
    """How a side averages: its rubric, and how it rounds a score in [0, 100]."""

    rubric: Rubric
    rounded: Callable[[float], float] = float


def split(
    graded: Mapping[Combination, Sequence[Grade]],
    averaging: tuple[Averaging, Averaging],
    factors: Sequence[str] = FACTORS,
    resamples: int = RESAMPLES,
) -> dict[str, Split]:
    """Split the difference of the headline score, and of each task that has questions.

    Args:
        graded: The grades of the same questions for every combination of the factors.
        averaging: How A averages, and how B does.
        factors: The names of the factors; the last is aggregating.
        resamples: The number of resamples of the videos.

    Returns:
        A split for `average`, the headline, and for each task by name.

    Raises:
        ValueError: There are no grades, or the combinations grade different questions.
    """
    every = combinations(len(factors))
    tables = [_Table(graded[c], averaging[c[-1]].rubric) for c in every]
    asked = {frozenset((g.id, g.video, g.task) for g in graded[c]) for c in every}
    if len(asked) != 1 or not graded[every[0]]:
        raise ValueError("the combinations must grade the same questions, at least one")
    videos = tables[0].videos
    point_CS = np.stack([table.scores(np.ones((1, videos)))[0] for table in tables])
    shown_CS = np.array(
        [
            [averaging[c[-1]].rounded(100 * score) for score in row]
            for c, row in zip(every, point_CS.tolist(), strict=True)
        ]
    )
    blocks = [
        np.stack([table.scores(w_BV) for table in tables], axis=1)
        for w_BV in video_resamples(videos, resamples)
    ]
    drawn_RCS = 100 * np.concatenate(blocks)
    return {
        name: _split(factors, shown_CS[:, s], drawn_RCS[:, :, s], tables[0], kinds)
        for s, (name, kinds) in enumerate(tables[0].named.items())
    }


def combinations(factors: int) -> list[Combination]:
    """All combinations of so many factors, from all of A to all of B."""
    return list(product((0, 1), repeat=factors))


def parts_of(scores_XC: Floats) -> Floats:
    """Each factor's part of the scores of all combinations: [X, C] to [X, F]."""
    factors = scores_XC.shape[-1].bit_length() - 1
    every = {combination: place for place, combination in enumerate(combinations(factors))}
    parts_XF = np.zeros((len(scores_XC), factors))
    for combination, place in every.items():
        changed = sum(combination)
        weight = factorial(changed - 1) * factorial(factors - changed) if changed else 0
        for f in (f for f, bit in enumerate(combination) if bit):
            before = every[*combination[:f], 0, *combination[f + 1 :]]
            # Of two equal scores the difference is exactly 0, which weighted sums need not be.
            added_X = scores_XC[:, place] - scores_XC[:, before]
            parts_XF[:, f] += weight / factorial(factors) * added_X
    return parts_XF


def _split(
    factors: Sequence[str],
    shown_C: Floats,
    drawn_RC: Floats,
    table: _Table,
    kinds: Sequence[str],
) -> Split:
    drawn_RF = whole_rows(parts_of(drawn_RC))
    means_F = parts_of(shown_C[None])[0]
    parts = {
        name: table.estimate(float(mean), drawn_RF[:, f], kinds)
        for f, (name, mean) in enumerate(zip(factors, means_F, strict=True))
    }
    whole = sum(estimate.mean for estimate in parts.values())
    return Split(
        score_a=float(shown_C[0]),
        score_b=float(shown_C[-1]),
        difference=table.estimate(whole, drawn_RF.sum(axis=1), kinds),
        parts=parts,
    )


class _Table:
    """The grades of one combination as sums by video and question type."""

    def __init__(self, grades: Sequence[Grade], rubric: Rubric) -> None:
        rows = {video: row for row, video in enumerate(sorted({g.video for g in grades}))}
        self.rubric = rubric
        self.videos = len(rows)
        self.kinds = [kind for kind in rubric.types if any(g.task == kind for g in grades)]
        self.sums_VK, self.counts_VK = _sums(grades, rows, self.kinds)
        self.failed = {k: sum(g.failed for g in grades if g.task == k) for k in self.kinds}
        self.groups = None
        if rubric.headline.how == VARIANTS:
            groups = variant_grades(grades, rubric.headline.at_least)
            self.groups = _sums(groups, rows, self.kinds)
        tasks = {t.name: [k for k in t.types if k in self.kinds] for t in rubric.tasks}
        self.tasks = {name: kinds for name, kinds in tasks.items() if kinds}
        self.named = {HEADLINE: self.kinds, **self.tasks}

    def scores(self, w_BV: Floats) -> Floats:
        """The headline and the score of each task, in [0, 1], of every resample: [B, S]."""
        sums_BK, counts_BK = w_BV @ self.sums_VK, w_BV @ self.counts_VK
        with np.errstate(invalid="ignore"):
            means_BK = sums_BK / counts_BK
        places = {kind: place for place, kind in enumerate(self.kinds)}
        tasks = {n: means_BK[:, [places[k] for k in ks]].mean(1) for n, ks in self.tasks.items()}
        headline = self.rubric.headline
        if headline.how == MICRO:
            whole_B = sums_BK.sum(1) / counts_BK.sum(1)
        elif self.groups:
            whole_B = (w_BV @ self.groups[0]).sum(1) / (w_BV @ self.groups[1]).sum(1)
        else:
            groups, shares = grouping(headline, tasks)
            means = [np.mean([tasks[name] for name in group], axis=0) for group in groups]
            whole_B = np.average(means, axis=0, weights=shares or None)
        return np.stack([whole_B, *tasks.values()], axis=1)

    def estimate(self, mean: float, drawn_R: Floats, kinds: Sequence[str]) -> Estimate:
        """A difference with its interval, as wide as the type with the fewest videos requires."""
        counts_VJ = self.counts_VK[:, [self.kinds.index(kind) for kind in kinds]]
        low, high = interval_of(drawn_R, int(counts_VJ.astype(bool).sum(0).min()))
        return Estimate(
            mean=mean,
            low=low,
            high=high,
            count=int(counts_VJ.sum()),
            clusters=int(counts_VJ.any(axis=1).sum()),
            failed=sum(self.failed[kind] for kind in kinds),
        )


def _sums(
    grades: Sequence[Grade], rows: Mapping[str, int], kinds: Sequence[str]
) -> tuple[Floats, Floats]:
    """Sums of scores and counts of questions: [V, K] each."""
    columns = {kind: column for column, kind in enumerate(kinds)}
    sums_VK = np.zeros((len(rows), len(kinds)))
    counts_VK = np.zeros((len(rows), len(kinds)))
    for grade in grades:
        sums_VK[rows[grade.video], columns[grade.task]] += grade.score
        counts_VK[rows[grade.video], columns[grade.task]] += 1
    return sums_VK, counts_VK
