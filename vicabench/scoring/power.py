"""The differences that a benchmark can show: by formula, and by simulation on a run's videos.

Videos are the unit, as in the tests of `compare`: all questions about a video are drawn together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import variance

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nct, t

from vicabench.rubric import Rubric
from vicabench.scoring.clusters import LEVEL, POWER, Clusters, detectable
from vicabench.scoring.compare import MICRO, OVERALL, holm, permutation_p
from vicabench.scoring.replies import by_question
from vicabench.scoring.stats import FEWEST_VIDEOS
from vicabench.types import Grade

Floats = NDArray[np.float64]
SEED = 0
SIMULATIONS, FLIPS = 400, 999
ROUNDING = 1e-9  # of a number of replies


@dataclass(frozen=True, kw_only=True)
class Detectable:
    """What one score can show.

    Attributes:
        name: The task, `overall` or `micro`.
        error: The standard error of the difference, in points.
        paired: The smallest true difference that a comparison of two runs on the same questions
            shows with the wanted power, in points.
        unpaired: The same for runs on two samples of videos, or a published row.
        simulated: The share of simulated comparisons that show the difference `paired`; None if
            nothing was simulated.
        questions: How many questions there are.
        videos: How many videos they are about.
        needed: How many videos a wanted difference needs, paired; None without one.
        replies: How many replies to each question of each run a wanted difference needs on these
            videos, paired; None without one, without runs of several replies, and where no number
            is enough.
    """

    name: str
    error: float
    paired: float
    unpaired: float
    simulated: float | None
    questions: int
    videos: int
    needed: int | None
    replies: int | None


def power_at(difference: float, error: float, videos: int, *, level: float = LEVEL) -> float:
    """The chance that a two-sided test shows a true difference; both in the same unit."""
    if error == 0:
        return float(difference != 0)
    critical = t.ppf(1 - level / 2, videos - 1)
    shift = abs(difference) / error
    return float(nct.sf(critical, videos - 1, shift) + nct.cdf(-critical, videos - 1, shift))


@dataclass(frozen=True, kw_only=True, eq=False)
class Chance:
    """The variance of each statistic that comes from drawing replies, of shape (S,).

    Attributes:
        observed_S: With as many replies as there are.
        single_S: With one reply to each question.
    """

    observed_S: Floats
    single_S: Floats

    @classmethod
    def of(cls, replies: Sequence[Grade], table: Clusters) -> Chance | None:
        """That of one run with several replies to each question; None for single ones."""
        questions = by_question(replies)
        if any(len(each) < 2 for each in questions):
            return None
        observed_K, single_K = np.zeros((2, len(table.types)))
        for each in questions:
            spread = variance(grade.score for grade in each)
            single_K[table.types[each[0].task]] += spread
            observed_K[table.types[each[0].task]] += spread / len(each)
        squares_SK = table.question_weights() ** 2
        return cls(observed_S=squares_SK @ observed_K, single_S=squares_SK @ single_K)

    def __add__(self, other: Chance) -> Chance:
        """That of the difference of two runs."""
        return Chance(
            observed_S=self.observed_S + other.observed_S, single_S=self.single_S + other.single_S
        )

    def scaled(self, factor: float) -> Chance:
        """The same with variances that are larger by a factor."""
        return Chance(observed_S=factor * self.observed_S, single_S=factor * self.single_S)

    def needed(self, error_S: Floats, target_S: Floats) -> list[int | None]:
        """How many replies bring each standard error down to its target; None if none can."""
        videos_S = np.maximum(error_S**2 - self.observed_S, 0)
        left_S = target_S**2 - videos_S
        return [
            max(1, int(np.ceil(chance / left - ROUNDING))) if left > 0 else None
            for chance, left in zip(self.single_S, left_S, strict=True)
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """The videos and questions of a comparison, with the spread of a difference over them.

    Attributes:
        difference: The differences of a pair of runs, or of one run scaled to those of a pair.
        runs: The scores of each run.
        chance: What the chance of replies adds to the difference; None if it is not known.
    """

    difference: Clusters
    runs: tuple[Clusters, ...]
    chance: Chance | None = None

    @classmethod
    def of_pair(cls, pairs: Sequence[tuple[Grade, Grade]], rubric: Rubric) -> Design:
        """The design of two runs on the same questions."""
        sides = zip(*pairs, strict=True)
        return cls(
            difference=Clusters.of(((a, b.score - a.score) for a, b in pairs), rubric),
            runs=tuple(Clusters.of(((g, g.score) for g in side), rubric) for side in sides),
        )

    @classmethod
    def of_one(cls, grades: Sequence[Grade], rubric: Rubric, correlation: float) -> Design:
        """The design of a run and another whose scores correlate with it over videos."""
        single = Clusters.of(((grade, grade.score) for grade in grades), rubric)
        scale = np.sqrt(2 * (1 - correlation))
        return cls(
            difference=replace(single.centred(), sums_VK=scale * single.centred().sums_VK),
            runs=(single,),
        )

    @property
    def rubric(self) -> Rubric:
        """The tasks and overall score of the benchmark."""
        return self.difference.rubric

    def errors_apart(self) -> Floats:
        """The standard error of the difference of runs on two samples of videos, (S,)."""
        squares = [run.errors() ** 2 for run in (*self.runs, self.runs[-1])[:2]]
        return np.asarray(np.sqrt(np.sum(squares, axis=0)), dtype=np.float64)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the statistics: the tasks, then the two overall scores."""
        return (*self.difference.tasks, OVERALL, MICRO)

    def levels(self, level: float) -> list[float]:
        """The level of each test: that of the first step of Holm's method for the tasks."""
        tasks = len(self.difference.tasks)
        return [level / tasks] * tasks + [level] * 2


def study(
    design: Design,
    *,
    level: float = LEVEL,
    power: float = POWER,
    wanted: float | None = None,
    simulations: int = SIMULATIONS,
) -> list[Detectable]:
    """What each score can show.

    Args:
        design: The videos and the spread of the difference over them.
        level: Of the two-sided tests, after Holm's correction over the tasks.
        power: The wanted chance to show a difference that is there.
        wanted: A difference in points, for `needed`.
        simulations: How many comparisons to simulate; 0 for none.
    """
    errors_S, apart_S = 100 * design.difference.errors(), 100 * design.errors_apart()
    videos_S, levels = design.difference.asking(), design.levels(level)
    paired = [
        detectable(e, v, level=one, power=power)
        for e, v, one in zip(errors_S, videos_S, levels, strict=True)
    ]
    unpaired = [
        detectable(e, 2 * v - 1, level=one, power=power) if v >= FEWEST_VIDEOS else float("nan")
        for e, v, one in zip(apart_S, videos_S, levels, strict=True)
    ]
    replies: Sequence[int | None] = [None] * len(paired)
    if wanted and design.chance:
        target_S = errors_S * wanted / np.array(paired)  # in points
        replies = design.chance.needed(errors_S / 100, target_S / 100)
    shown: Sequence[float | None] = [None] * len(paired)
    if simulations:
        truth_S = np.array(paired) / 100
        known_S = rejections(design, np.nan_to_num(truth_S), level=level, draws=simulations)
        shown = [None if np.isnan(x) else float(y) for x, y in zip(truth_S, known_S, strict=True)]
    return [
        Detectable(
            name=name,
            error=float(errors_S[s]),
            paired=paired[s],
            unpaired=unpaired[s],
            simulated=shown[s],
            questions=_questions(design.difference, name),
            videos=int(videos_S[s]),
            needed=None if not wanted else _needed(int(videos_S[s]), paired[s], wanted),
            replies=replies[s],
        )
        for s, name in enumerate(design.names)
    ]


def rejections(
    design: Design, truth_S: Floats, *, level: float = LEVEL, draws: int = SIMULATIONS
) -> Floats:
    """The share of simulated comparisons that show each true difference, (S,).

    Each draws as many videos, with replacement; the spread of the difference is that of the
    design, its mean the wanted one. For a task, Holm's correction is over it and the other tasks
    without a difference. All is tested as `compare` tests it, with fewer random signs.

    Args:
        design: The videos and the spread of the difference over them.
        truth_S: The true difference of each statistic, as a share of 1.
        level: Of the two-sided tests.
        draws: How many comparisons to simulate.
    """
    null = design.difference.centred()
    videos, tasks = len(null.videos), len(null.tasks)
    generator = np.random.default_rng(SEED)
    shown_S = np.zeros(len(truth_S))
    for _ in range(draws):
        rows = generator.integers(0, videos, size=videos)
        drawn = replace(null, sums_VK=null.sums_VK[rows], counts_VK=null.counts_VK[rows])
        spread_VS, weights_VS = drawn.contributions(), drawn.ones().contributions()
        both_VS = np.hstack([spread_VS, spread_VS + truth_S * weights_VS])
        null_S, p_S = np.split(permutation_p(both_VS, flips=FLIPS), 2)
        for s in range(tasks):
            family = [*null_S[:s], p_S[s], *null_S[s + 1 : tasks]]
            shown_S[s] += holm(family)[s] <= level
        shown_S[tasks:] += p_S[tasks:] <= level
    return shown_S / draws


def _questions(table: Clusters, name: str) -> int:
    kinds = next((task.types for task in table.rubric.tasks if task.name == name), None)
    columns = [column for kind, column in table.types.items() if kinds is None or kind in kinds]
    return int(table.counts_VK[:, columns].sum())


def _needed(videos: int, shown: float, wanted: float) -> int | None:
    """How many videos show the wanted difference; the error falls with the root of their number."""
    return None if np.isnan(shown) else int(np.ceil(videos * (shown / wanted) ** 2))
