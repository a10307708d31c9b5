"""Ranks of models with intervals, from the differences of all pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from vicabench.reference import Published
from vicabench.reference.scores import QUESTIONS
from vicabench.rubric import VARIANTS, Rubric
from vicabench.scoring.clusters import LEVEL, Clusters
from vicabench.scoring.compare import FLIPS, MICRO, OVERALL, holm, permutation_p
from vicabench.scoring.stats import variant_grades
from vicabench.types import Grade

Floats = NDArray[np.float64]
SAME = 1e-9  # points: sums in another order are no difference


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One model to be ranked.

    Attributes:
        name: The model.
        score: Its score in points.
        error: The standard error of the score over videos, in points.
        parts_V: What each video contributes to the score, for runs on the same questions; None
            for a printed score.
    """

    name: str
    score: float
    error: float
    parts_V: Floats | None = None


@dataclass(frozen=True, kw_only=True)
class Rank:
    """The place of one model.

    Attributes:
        name: The model.
        score: Its score in points.
        place: 1 for the best; equal scores share a place.
        tied: Whether another model has the same score.
        low: The best rank that the data allow.
        high: The worst rank that the data allow.
        p_next: The p-value of the difference to the model below, after Holm's correction over all
            pairs; None for the last.
        printed: Whether the score is a printed one, compared unpaired.
    """

    name: str
    score: float
    place: int
    tied: bool
    low: int
    high: int
    p_next: float | None
    printed: bool


def member_of(name: str, grades: Sequence[Grade], rubric: Rubric, by: str = OVERALL) -> Member:
    """A run to be ranked by `overall`, `micro` or a task.

    Raises:
        KeyError: The run was not asked the task.
    """
    headline = rubric.headline
    if by == OVERALL and headline.how == VARIANTS:
        grades, by = variant_grades(grades, headline.at_least), MICRO
    table = Clusters.of(((grade, grade.score) for grade in grades), rubric)
    names = (*table.tasks, OVERALL, MICRO)
    if by not in names:
        raise KeyError(by)
    column = names.index(by)
    parts_V = 100 * table.contributions()[:, column]
    return Member(
        name=name,
        score=float(parts_V.sum()),
        error=float(100 * table.errors()[column]),
        parts_V=parts_V,
    )


def published_member(row: Published, by: str = OVERALL) -> Member | None:
    """A printed row to be ranked; None if it does not print what the score consists of.

    Its error is not printed. Here it is sqrt(p (1 - p) / n) a task: the most that scores in [0, 1]
    with this mean can spread, on independent questions; questions about one video are not.
    """
    wanted = [by] if by in QUESTIONS else list(QUESTIONS)
    if not row.whole or any(name not in row.tasks for name in wanted):
        return None
    counts = np.array([QUESTIONS[name] for name in wanted], dtype=np.float64)
    weights = counts if by == MICRO else np.ones(len(wanted))
    weights /= weights.sum()
    shares = np.array([row.tasks[name] for name in wanted]) / 100
    error = np.sqrt(np.sum(weights**2 * shares * (1 - shares) / counts))
    score = float(100 * np.sum(weights * shares))
    return Member(name=row.label, score=score, error=float(100 * error))


def ranks_of(members: Sequence[Member], *, level: float = LEVEL, flips: int = FLIPS) -> list[Rank]:
    """The members, best first, with simultaneous intervals of their ranks.

    A model's best rank is 1 plus the number of models that are shown to be better, its worst the
    number of models less those shown to be worse; all pairs are tested together, so that with a
    chance of 1 - `level` all intervals contain the ranks of the true scores (after Mogstad et al.,
    Inference for Ranks, 2024). Two runs are compared by random signs over videos, paired; a
    printed row by a normal test, unpaired.
    """
    ordered = sorted(members, key=lambda member: -member.score)
    pairs = list(combinations(range(len(ordered)), 2))
    corrected = dict(zip(pairs, holm(_p_values(ordered, pairs, level, flips)), strict=True))
    shown = {pair for pair, p in corrected.items() if p <= level}
    return [
        Rank(
            name=member.name,
            score=member.score,
            place=1 + sum(other.score > member.score + SAME for other in ordered),
            tied=sum(abs(other.score - member.score) <= SAME for other in ordered) > 1,
            low=1 + sum((above, place) in shown for above in range(place)),
            high=len(ordered) - sum((place, b) in shown for b in range(place + 1, len(ordered))),
            p_next=corrected.get((place, place + 1)),
            printed=member.parts_V is None,
        )
        for place, member in enumerate(ordered)
    ]


def _p_values(
    ordered: Sequence[Member], pairs: Sequence[tuple[int, int]], level: float, flips: int
) -> list[float]:
    known: dict[tuple[int, int], float] = {}
    paired: dict[tuple[int, int], Floats] = {}
    for a, b in pairs:
        parts_a, parts_b = ordered[a].parts_V, ordered[b].parts_V
        if parts_a is not None and parts_b is not None:
            paired[a, b] = parts_b - parts_a
        else:
            known[a, b] = _normal_p(ordered[a], ordered[b])
    if paired:
        # The smallest p-value that can be drawn has to survive the correction.
        enough = max(flips, int(4 * len(pairs) / level))
        p = permutation_p(np.stack([*paired.values()], axis=1), flips=enough)
        known.update(zip(paired, p.tolist(), strict=True))
    return [known[pair] for pair in pairs]


def _normal_p(a: Member, b: Member) -> float:
    error = np.hypot(a.error, b.error)
    difference = abs(a.score - b.score)
    if error == 0:
        return 1.0 if difference <= SAME else 0.0
    return float(2 * ndtr(-difference / error))
