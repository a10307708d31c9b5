"""Several replies to one question: their mean, their vote, the best of some, how often they differ.

Here a question's replies are its grades by one protocol, in the order of their repeats.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean

from vicabench.types import Grade


def by_question(grades: Iterable[Grade]) -> list[list[Grade]]:
    """The replies to each question, in order of the first replies."""
    grouped: dict[str, list[Grade]] = {}
    for grade in grades:
        grouped.setdefault(grade.id, []).append(grade)
    return [sorted(replies, key=lambda grade: grade.repeat) for replies in grouped.values()]


def question_means(grades: Sequence[Grade]) -> list[Grade]:
    """One grade a question: the mean score of its replies, beside what most of them say.

    Grades of single replies are returned as they are.
    """
    if not any(grade.repeat for grade in grades):
        return list(grades)
    return [_mean(replies) for replies in by_question(grades)]


def _mean(replies: Sequence[Grade]) -> Grade:
    return replace(
        vote(replies),
        score=fmean(grade.score for grade in replies),
        beside=tuple(map(_known_mean, zip(*(grade.beside for grade in replies), strict=True))),
        repeat=0,
    )


def _known_mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan


def answer_of(grade: Grade) -> str | None:
    """The answer read from a reply, by which replies are told apart; None if none was read."""
    return None if grade.read is None else grade.read.casefold()


def vote(replies: Sequence[Grade]) -> Grade:
    """The grade of the answer that is read most often, the earliest of equally frequent ones.

    Replies in which no answer is read have no vote. If that is so in all, the earliest of their
    most frequent outcomes stands for them.
    """
    votes = Counter(answer for each in replies if (answer := answer_of(each)) is not None)
    if votes:
        winner = votes.most_common(1)[0][0]  # of equally frequent ones, the first that was counted
        return next(each for each in replies if answer_of(each) == winner)
    outcome = Counter(each.outcome for each in replies).most_common(1)[0][0]
    return next(each for each in replies if each.outcome == outcome)


def best_of(replies: Sequence[Grade], k: int) -> float:
    """The expected best score of `k` of these replies, drawn without replacement.

    For scores of 0 and 1 this is the unbiased estimator of pass@k by Chen et al., "Evaluating
    Large Language Models Trained on Code" (arXiv 2107.03374), equation 1: 1 - C(n - c, k) / C(n, k)
    for c right replies of n. In general, the i-th smallest score is the best of k replies in
    C(i - 1, k - 1) of the C(n, k) draws.

    Raises:
        ValueError: `k` is not from 1 to the number of replies.
    """
    if not 1 <= k <= len(replies):
        raise ValueError(f"the best of {k} needs so many replies, and there are {len(replies)}")
    scores = sorted(grade.score for grade in replies)
    draws = sum(score * math.comb(i, k - 1) for i, score in enumerate(scores))
    return draws / math.comb(len(scores), k)


def change(replies: Sequence[Grade]) -> float:
    """The share of pairs of replies that differ in the answer read; reading none is an answer.

    An unbiased estimate, for any number of replies, of how likely a second reply is another one.

    Raises:
        ValueError: There are fewer than two replies.
    """
    if len(replies) < 2:
        raise ValueError("how often an answer changes needs two replies or more")
    counts = Counter(map(answer_of, replies)).values()
    return 1 - sum(n * (n - 1) for n in counts) / (len(replies) * (len(replies) - 1))
