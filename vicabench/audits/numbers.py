"""Guesses of a number from its question: a forest, and the value that its leaves score best.

The forest learns the logarithm of the answer (of 1 + its size where some are not positive). A leaf
stands for all answers that are fitted in it; the guess is the value with the greatest expected
score over the leaves of all trees, smoothed over values within a tenth of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from vicabench.audits.folds import Bools, Ints, regressor
from vicabench.audits.statistics import Floats, Statistic, statistic
from vicabench.audits.texts import THINGS, Item
from vicabench.rubric import Task

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

TYPE = "the question type"
NEAR = 0.1
"""The width, in logarithms, over which the expected score is smoothed."""
MOST = 400
"""The most values that a guess is chosen from."""
Feature = tuple[str, Callable[[Ints], Floats]]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The right answers of N numeric questions of a task, and how guesses of them score.

    Attributes:
        items: The questions.
        truths_N: The index of each answer in `values`.
        values: The V distinct answers, in order.
        spelled: The values as they are graded.
        logs_V: Their logarithms.
        choices: The indices of the values that a guess is chosen from: (C,).
        gains_CV: The score of each choice against each value.
    """

    items: Sequence[Item]
    truths_N: Ints
    values: Floats
    spelled: tuple[str, ...]
    logs_V: Floats
    choices: Ints
    gains_CV: Floats


def answers_of(items: Sequence[Item], task: Task) -> Answers:
    """The right answers of a task's questions; the first one where a question has several."""
    numbers = np.asarray([float(item.question.answer) for item in items])
    values, truths_N = np.unique(numbers, return_inverse=True)
    spelled = tuple(_spelled(float(value)) for value in values)
    places = np.linspace(0, len(values) - 1, min(len(values), MOST))
    choices = np.unique(places.round().astype(np.int64))
    metric = task.scored_by
    gains = [[metric.score(spelled[c], truth, 0) for truth in spelled] for c in choices]
    return Answers(
        items=items,
        truths_N=truths_N.astype(np.int64),
        values=values,
        spelled=spelled,
        logs_V=_logs(values),
        choices=choices,
        gains_CV=np.asarray(gains),
    )


def _spelled(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _logs(values: Floats) -> Floats:
    if (values > 0).all():
        return np.log(values)
    return np.sign(values) * np.log1p(np.abs(values))


def features_of(answers: Answers) -> list[Feature]:
    """The features of the questions: what is known of the answers about the same things."""
    logs_N = answers.logs_V[answers.truths_N]
    rows = np.arange(len(answers.items))

    def keyed(keys_of: Callable[[Item], Sequence[object]]) -> Statistic:
        seen = [
            (row, (i.question.task, key))
            for row, i in enumerate(answers.items)
            for key in keys_of(i)
        ]
        return statistic(rows, ((r, k, float(logs_N[r])) for r, k in seen), seen)

    found: list[Feature] = []
    if any(item.things for item in answers.items):
        together = keyed(lambda i: [tuple(sorted(i.things))])
        each = keyed(lambda i: i.things)
        found += [(THINGS, f) for f in _moments(together, logs_N, ("mean",))]
        found += [(THINGS, f) for f in _moments(each, logs_N, ("mean", "min", "max"))]
    types = sorted({item.question.task for item in answers.items})
    if len(types) > 1 or not found:
        codes = [float(types.index(item.question.task)) for item in answers.items]
        found.append((TYPE, lambda _: np.asarray(codes)))
    return found


def _moments(made: Statistic, logs_N: Floats, how: Sequence[str]) -> list[Callable[[Ints], Floats]]:
    """Count, mean and spread of the logarithms of answers, shrunk to those of all fitted rows."""

    def mean(way: str) -> Callable[[Ints], Floats]:
        def value(inner_N: Ints) -> Floats:
            prior_N = _without_own_fold(logs_N, inner_N)
            prior_R = prior_N[made.slot_rows[np.asarray(made.slots, dtype=np.int64)]]
            return made.gathered(made.mean(inner_N, prior_R), way)

        return value

    def count(inner_N: Ints) -> Floats:
        return made.gathered(np.log1p(made.counted(inner_N)[0]))

    def spread(inner_N: Ints) -> Floats:
        count_R, sum_R = made.counted(inner_N)
        _, squares_R = made.counted(inner_N, power=2)
        n_R = np.maximum(count_R, 1)
        variance_R = np.maximum(squares_R / n_R - (sum_R / n_R) ** 2, 0.0)
        return made.gathered(np.where(count_R > 1, np.sqrt(variance_R), -1.0))

    return [*(mean(way) for way in how), count, spread]


def _without_own_fold(values_N: Floats, inner_N: Ints) -> Floats:
    """The mean of the fitted rows outside a row's own inner fold: (N,)."""
    fitted_N = inner_N >= 0
    total, size = values_N[fitted_N].sum(), fitted_N.sum()
    sums_F = np.bincount(inner_N[fitted_N], weights=values_N[fitted_N], minlength=1)
    sizes_F = np.bincount(inner_N[fitted_N], minlength=1)
    left_F = (total - sums_F) / np.maximum(size - sizes_F, 1)
    all_N = np.full(len(values_N), total / max(size, 1))
    return np.where(fitted_N, left_F[np.maximum(inner_N, 0)], all_N).astype(np.float64)


def matrix(features: Sequence[Feature], inner_N: Ints) -> tuple[Floats, list[str]]:
    """The features (N, C) and their groups (C)."""
    return np.stack([of(inner_N) for _, of in features], axis=1), [name for name, _ in features]


@dataclass(frozen=True, kw_only=True)
class Guessed:
    """What a forest makes of held-out questions: the index of the value, -1 for fitted rows.

    `lost` has, by group of features, what a question's score loses without the group: (N,).
    """

    guesses_N: Ints
    lost: dict[str, Floats]


def guess(
    answers: Answers,
    features: Sequence[Feature],
    inner_N: Ints,
    *,
    trees: int,
    seed: int,
    reasons: bool = True,
) -> Guessed:
    """Fit a forest on the rows with an inner fold, and guess the others."""
    features_NC, groups = matrix(features, inner_N)
    held_N = inner_N < 0
    truths_T = answers.truths_N[~held_N]
    forest = regressor(trees, seed)
    forest.fit(features_NC[~held_N], answers.logs_V[truths_T])
    leaves = _Leaves(forest, features_NC[~held_N], truths_T, answers)
    guesses_N = np.full(len(held_N), -1, dtype=np.int64)
    guesses_N[held_N] = leaves.best(features_NC[held_N])
    score_H = _scores(answers, guesses_N[held_N], held_N)
    neutral_C = np.median(features_NC[~held_N], axis=0)
    lost: dict[str, Floats] = {}
    for group in dict.fromkeys(groups if reasons else ()):
        without_HC = features_NC[held_N].copy()
        mine = [place for place, name in enumerate(groups) if name == group]
        without_HC[:, mine] = neutral_C[mine]
        lost[group] = np.full(len(held_N), np.nan)
        lost[group][held_N] = score_H - _scores(answers, leaves.best(without_HC), held_N)
    return Guessed(guesses_N=guesses_N, lost=lost)


def _scores(answers: Answers, guesses_H: Ints, held_N: Bools) -> Floats:
    """The scores of guesses, as indices of values, for the held-out rows: (H,)."""
    rows = np.searchsorted(answers.choices, guesses_H)
    return np.asarray(answers.gains_CV[rows, answers.truths_N[held_N]], dtype=np.float64)


class _Leaves:
    """The answers in the leaves of a fitted forest; the score of every choice in each leaf."""

    def __init__(
        self, forest: RandomForestRegressor, fitted_TC: Floats, truths_T: Ints, answers: Answers
    ) -> None:
        self.forest, self.answers = forest, answers
        self.sizes = [tree.tree_.node_count for tree in forest.estimators_]
        self.starts = np.cumsum([0, *self.sizes[:-1]])
        leaves_TE = forest.apply(fitted_TC) + self.starts
        total = sum(self.sizes)
        shape = (total, len(answers.values))
        truths_TE = np.broadcast_to(truths_T[:, None], leaves_TE.shape)
        ones = np.ones(leaves_TE.size)
        counts = csr_array((ones, (leaves_TE.ravel(), truths_TE.ravel())), shape=shape)
        size = np.maximum(counts.sum(axis=1), 1)
        self.shares_LV = counts.multiply(1 / size[:, None]).tocsr()
        gaps_VV = answers.logs_V[:, None] - answers.logs_V[None, :]
        kernel_VV = np.exp(-0.5 * (gaps_VV / NEAR) ** 2)
        kernel_VV /= kernel_VV.sum(axis=1, keepdims=True)
        self.expected_VC = kernel_VV @ answers.gains_CV.T

    def best(self, features_HC: Floats) -> Ints:
        """The index of the value with the greatest expected score for each row: (H,)."""
        leaves_HE = self.forest.apply(features_HC) + self.starts
        rows = np.repeat(np.arange(len(leaves_HE)), leaves_HE.shape[1])
        ones = np.full(leaves_HE.size, 1 / leaves_HE.shape[1])
        shape = (len(leaves_HE), self.shares_LV.shape[0])
        reached = csr_array((ones, (rows, leaves_HE.ravel())), shape=shape)
        weights_HV = (reached @ self.shares_LV).toarray()
        return np.asarray(
            self.answers.choices[np.argmax(weights_HV @ self.expected_VC, axis=1)], dtype=np.int64
        )
