"""What several replies to each question say about a run, and where its uncertainty comes from."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean, variance

from vicabench.rubric import MICRO, VARIANTS, Rubric
from vicabench.scoring.replies import best_of, by_question, change, vote
from vicabench.scoring.stats import (
    FEWEST_VIDEOS,
    grouping,
    headline_of,
    mean_grade,
    variant_grades,
)
from vicabench.types import Estimate, Grade, Repeats, Scores


def repeats_of(grades: Sequence[Grade], scores: Scores) -> Repeats | None:
    """What the replies of a run say beyond their mean; None unless there are several a question.

    Args:
        grades: The grade of every reply, by one protocol.
        scores: The scores that they have.
    """
    if not any(grade.repeat for grade in grades):
        return None
    rubric = scores.rubric
    units = by_question(_units(grades, rubric))
    fewest = min(map(len, units))
    votes = [replace(vote(replies), repeat=0) for replies in by_question(grades)]
    several = [replies for replies in by_question(grades) if len(replies) > 1]
    pooled = rubric.headline.how in (MICRO, VARIANTS)
    error, of_replies = errors(units, _weights(units, rubric), pooled=pooled)
    return Repeats(
        replies=fewest,
        best_of={k: _best(units, k, rubric) for k in _powers(fewest)},
        majority=headline_of(votes, rubric, partial(variant_grades, votes)),
        changes=mean_grade([replace(r[0], score=change(r), repeat=0) for r in several]),
        standard_error=100 * error,
        standard_error_replies=100 * of_replies,
        standard_error_videos=100 * math.sqrt(max(0.0, error**2 - of_replies**2)),
    )


def _powers(most: int) -> list[int]:
    """The powers of two from 2 on up to `most`, and `most` itself."""
    powers = [2**n for n in range(1, most.bit_length()) if 2**n <= most]
    return powers if most < 2 or most in powers else [*powers, most]


def _units(grades: Sequence[Grade], rubric: Rubric) -> Sequence[Grade]:
    """What the headline score is the mean of: replies, or groups that are right together."""
    if rubric.headline.how == VARIANTS:
        return variant_grades(grades, rubric.headline.at_least)
    return grades


def _best(units: Sequence[Sequence[Grade]], k: int, rubric: Rubric) -> Estimate:
    best = [replace(replies[0], score=best_of(replies, k), repeat=0) for replies in units]
    return headline_of(best, rubric, lambda _: best)


def _weights(units: Sequence[Sequence[Grade]], rubric: Rubric) -> Mapping[str, float]:
    """The weight in the headline score of each question of a type; each type sums to its share."""
    counts = Counter(replies[0].task for replies in units)
    overall = rubric.headline
    if overall.how in (MICRO, VARIANTS):
        return dict.fromkeys(counts, 1 / len(units))
    kinds = {
        task.name: there
        for task in rubric.tasks
        if (there := [kind for kind in task.types if counts[kind]])
    }
    groups, given = grouping(overall, kinds)
    shares = given or (1.0,) * len(groups)
    weights: dict[str, float] = {}
    for group, share in zip(groups, shares, strict=True):
        for name in group:
            each = share / sum(shares) / len(group) / len(kinds[name])
            weights |= {kind: each / counts[kind] for kind in kinds[name]}
    return weights


def errors(
    units: Sequence[Sequence[Grade]], weights: Mapping[str, float], *, pooled: bool
) -> tuple[float, float]:
    """The standard error of a weighted mean of question means, and the part of the replies.

    `weights` are those of a question by its type, `pooled` says that all types share one mean.

    The whole one is that of sums over videos, as in the bootstrap: it contains the noise of the
    replies already, because a video's sum is observed with it. Their part is the variance of each
    question's replies, over their number.

    Returns:
        In [0, 1]; NaN with fewer videos than an interval takes.
    """
    means = [fmean(grade.score for grade in replies) for replies in units]
    of_type: dict[str, list[float]] = defaultdict(list)
    for replies, mean in zip(units, means, strict=True):
        of_type[replies[0].task].append(mean)
    centre = {kind: fmean(means if pooled else of_type[kind]) for kind in weights}
    sums: dict[str, float] = defaultdict(float)
    of_replies = 0.0
    for replies, mean in zip(units, means, strict=True):
        first, weight = replies[0], weights.get(replies[0].task, 0.0)
        sums[first.video] += weight * (mean - centre.get(first.task, 0.0))
        if len(replies) > 1:
            of_replies += weight**2 * variance(g.score for g in replies) / len(replies)
    videos = len(sums)
    if videos < FEWEST_VIDEOS:
        return math.nan, math.nan
    total = videos / (videos - 1) * sum(each**2 for each in sums.values())
    return math.sqrt(total), math.sqrt(of_replies)
