"""Weights with which every answer and every object counts alike.

After FN-VSI (ICML 2026), which reweights questions so that the answer's value and the object that
is asked about no longer help a guess. Its weights are not published; these are made by raking
(Deming and Stephan, 1940): within a question type, answers and then objects are scaled to equal
totals, in turns, and no weight exceeds five times the mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from vicabench.audits.statistics import Floats
from vicabench.audits.texts import Item, items_of
from vicabench.metrics import NUMERIC
from vicabench.rubric import Rubric
from vicabench.types import Question

LARGEST, SMALLEST = 5.0, 0.2
"""The bounds of a weight, whose mean is 1."""
ROUNDS = 100
BINS = 10
"""A number of more different values than this is binned, by its logarithm."""


def weights_of(questions: Sequence[Question], rubric: Rubric) -> dict[str, float]:
    """The weight of every question by id, with a mean of 1 in every question type."""
    items = items_of(questions, rubric)
    by_type: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_type[item.question.task].append(item)
    found: dict[str, float] = {}
    for kind, inside in by_type.items():
        numeric = rubric.of_type[kind].kind == NUMERIC
        answers = _values(inside) if numeric else [_right(item) for item in inside]
        objects: list[Sequence[Hashable]] = [item.things for item in inside]
        weights_N = raked([[(answer,) for answer in answers], objects])
        found |= {item.question.id: float(w) for item, w in zip(inside, weights_N, strict=True)}
    return found


def _right(item: Item) -> str:
    """The text of the right option; the answer where there are none."""
    if not item.texts:
        return item.question.answer
    return item.texts[int(np.argmax(item.gains))]


def _values(items: Sequence[Item]) -> list[float]:
    """The answers, or the bins of their logarithms if they are many different ones."""
    numbers = np.asarray([float(item.question.answer) for item in items])
    if len(np.unique(numbers)) <= BINS:
        return [float(number) for number in numbers]
    logs = np.sign(numbers) * np.log1p(np.abs(numbers))
    low, high = np.quantile(logs, [0.05, 0.95])  # a few far values must not have all the bins
    edges = np.linspace(low, high, BINS + 1)[1:-1]
    return [float(place) for place in np.digitize(logs, edges)]


def raked(margins: Sequence[Sequence[Sequence[Hashable]]]) -> Floats:
    """Weights (N,) with which the labels of every margin have nearly equal totals.

    Args:
        margins: For each margin, the labels of each of the N questions, of which one may have
            several, or none.
    """
    size = len(margins[0])
    tables = [table for labels in margins if len(table := _table(labels)[0])]
    weights_N = np.ones(size)
    for _ in range(ROUNDS):
        for table_LN in tables:
            labels_N = table_LN.sum(axis=0)
            totals_L = table_LN @ (weights_N / np.maximum(labels_N, 1))
            scale_L = totals_L.mean() / totals_L
            mean_N = (scale_L @ table_LN) / np.maximum(labels_N, 1)
            weights_N = weights_N * np.where(labels_N > 0, mean_N, 1.0)
            weights_N = _bounded(weights_N)
    return weights_N


def _bounded(weights_N: Floats) -> Floats:
    """The weights within their bounds, with a mean of 1."""
    for _ in range(ROUNDS):
        weights_N = weights_N / weights_N.mean()
        if weights_N.max() <= LARGEST * (1 + 1e-9) and weights_N.min() >= SMALLEST * (1 - 1e-9):
            break
        weights_N = np.clip(weights_N, SMALLEST, LARGEST)
    return np.asarray(weights_N / weights_N.mean(), dtype=np.float64)


def _table(labels: Sequence[Sequence[Hashable]]) -> tuple[Floats, list[Hashable]]:
    """Which question has which label: (L, N), and the labels."""
    names = list(dict.fromkeys(label for mine in labels for label in mine))
    places = {name: place for place, name in enumerate(names)}
    table_LN = np.zeros((len(names), len(labels)))
    for column, mine in enumerate(labels):
        for label in mine:
            table_LN[places[label], column] = 1.0
    return table_LN, names


def effective(weights: Sequence[float]) -> float:
    """How many evenly weighted questions these are worth (Kish, 1965)."""
    known = np.asarray(weights)
    return float(known.sum() ** 2 / (known**2).sum())
