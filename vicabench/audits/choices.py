"""Guesses of a choice from its texts: a forest over the options, one row an option.

Every feature is a rate with which an option that says the same was right in other questions, or a
plain property of the option; and, for each, the difference from the best other option. Features
come in groups, by which a guess is explained.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from vicabench.audits.folds import Bools, Ints, classifier
from vicabench.audits.statistics import Floats, Statistic, statistic
from vicabench.audits.texts import THINGS, Item, parts_of

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

PLACE, TEXT, RIVALS = "its place", "its text", "the other options"
PARTS, LENGTH, NUMBER = "the order of its parts", "its length", "its number"
TYPE = "the question type"
_WORD = re.compile(r"\w+")
Feature = tuple[str, Callable[[Ints], Floats]]
"""The group of a feature, and its value for every slot (S,) given the inner folds of the rows."""


@dataclass(frozen=True, kw_only=True)
class Slots:
    """The options of N questions, one after another: S slots.

    `rows` has the question of each slot, `gains` its score; `starts` where each question begins.
    """

    items: Sequence[Item]
    rows: Ints
    gains: Floats
    starts: Ints


def slots_of(items: Sequence[Item]) -> Slots:
    """Lay the options of the questions out one after another."""
    sizes = np.asarray([len(item.answers) for item in items], dtype=np.int64)
    return Slots(
        items=items,
        rows=np.repeat(np.arange(len(items)), sizes),
        gains=np.asarray([gain for item in items for gain in item.gains], dtype=np.float64),
        starts=np.cumsum(sizes) - sizes,
    )


def features_of(slots: Slots) -> list[Feature]:
    """The features of the options; which ones there are depends on the texts alone."""
    found = [
        *_rates(slots),
        *_parts(slots),
        *((group, _fixed(values)) for group, values in _plain(slots)),
    ]
    types = sorted({item.question.task for item in slots.items})
    if len(types) > 1:
        codes = [float(types.index(item.question.task)) for item in slots.items]
        found.append((TYPE, _fixed(np.asarray(codes)[slots.rows])))
    return found


def matrix(slots: Slots, features: Sequence[Feature], inner_N: Ints) -> tuple[Floats, list[str]]:
    """The features and their differences from the best other option: (S, C), and the groups (C)."""
    columns, groups = [], []
    for group, value_of in features:
        values_S = value_of(inner_N)
        columns.append(values_S)
        groups.append(group)
        if group != TYPE:
            columns.append(values_S - best_other(slots, values_S))
            groups.append(group)
    return np.stack(columns, axis=1), groups


def best_other(slots: Slots, values_S: Floats) -> Floats:
    """The largest value among the other options of the same question; its own if alone: (S,)."""
    best_N = np.maximum.reduceat(values_S, slots.starts)
    is_best_S = values_S == best_N[slots.rows]
    ties_N = np.add.reduceat(is_best_S.astype(np.int64), slots.starts)
    without_S = np.where(is_best_S, -np.inf, values_S)
    second_N = np.maximum.reduceat(without_S, slots.starts)
    alone_S = is_best_S & (ties_N[slots.rows] == 1) & np.isfinite(second_N[slots.rows])
    return np.where(alone_S, second_N[slots.rows], best_N[slots.rows])


def _fixed(values_S: Floats) -> Callable[[Ints], Floats]:
    return lambda _: values_S


def _options(slots: Slots) -> Iterator[tuple[int, int, int, Item]]:
    """Slot, question, place and item of every option."""
    slot = 0
    for row, item in enumerate(slots.items):
        for place in range(len(item.answers)):
            yield slot, row, place, item
            slot += 1


def _rates(slots: Slots) -> Iterator[Feature]:
    """How often options in the same place, with the same text, about the same things are right."""
    base = float(slots.gains.size and np.mean(1 / _sizes(slots)))

    def keyed(keys_of: Callable[[Item, int], Sequence[object]]) -> Statistic:
        seen = [
            (slot, row, key, item.gains[place])
            for slot, row, place, item in _options(slots)
            for key in keys_of(item, place)
        ]
        return statistic(
            slots.rows, ((r, k, g) for _, r, k, g in seen), ((s, k) for s, _, k, _ in seen)
        )

    def rate(made: Statistic, how: str = "mean", prior: float = base) -> Callable[[Ints], Floats]:
        return lambda inner_N: made.gathered(made.mean(inner_N, prior), how, prior)

    def kind(item: Item) -> str:
        return item.question.task

    yield PLACE, rate(keyed(lambda i, p: [(kind(i), len(i.answers), p)]))
    yield TEXT, rate(keyed(lambda i, p: [(kind(i), i.texts[p])]))
    yield TEXT, rate(keyed(lambda i, p: [(kind(i), w) for w in _WORD.findall(i.texts[p])]))
    if any(item.things for item in slots.items):
        yield THINGS, rate(keyed(lambda i, p: [(kind(i), i.texts[p], t) for t in i.things]))
        yield THINGS, rate(keyed(lambda i, p: [(kind(i), i.texts[p], i.things)]))
    rivals = _rivalry(slots)
    yield RIVALS, rate(rivals, "mean", 0.5)
    yield RIVALS, rate(rivals, "min", 0.5)


def _sizes(slots: Slots) -> Floats:
    return np.asarray([len(slots.items[row].answers) for row in slots.rows], dtype=np.float64)


def _rivalry(slots: Slots) -> Statistic:
    """How often a text is right where another option has a certain text, and either is right."""
    made = Statistic(slot_rows=slots.rows)
    for slot, row, place, item in _options(slots):
        for other, text in enumerate(item.texts):
            if other == place:
                continue
            key = (item.question.task, item.texts[place], text)
            made.want(slot, key)
            if item.gains[place] != item.gains[other]:
                made.observe(row, key, float(item.gains[place] > item.gains[other]))
    return made


def _parts(slots: Slots) -> Iterator[Feature]:
    """For options that list the same parts in another order: who comes where, and before whom."""
    places, pairs = Statistic(slot_rows=slots.rows), Statistic(slot_rows=slots.rows)
    for slot, row, place, item in _options(slots):
        parts = parts_of(item.texts[place])
        if len(parts) < 2 or len({frozenset(parts_of(text)) for text in item.texts}) > 1:
            continue
        right = item.gains[place] == max(item.gains) > 0
        for number, part in enumerate(parts):
            places.want(slot, (part, number))
            for other in range(len(parts)) if right else ():
                places.observe(row, (part, other), float(other == number))
        for before, after in combinations(parts, 2):
            pairs.want(slot, (before, after))
            if right:
                pairs.observe(row, (before, after), 1.0)
                pairs.observe(row, (after, before), 0.0)
    if pairs.slots:
        yield PARTS, lambda n: pairs.gathered(pairs.mean(n, 0.5), "mean", 0.5)
        yield PARTS, lambda n: pairs.gathered(pairs.mean(n, 0.5), "min", 0.5)
        yield PARTS, lambda n: places.gathered(places.mean(n, 0.25), "mean", 0.25)


def _plain(slots: Slots) -> Iterator[tuple[str, Floats]]:
    """Properties of an option that need no other question."""
    lengths = np.asarray([float(len(i.texts[p])) for _, _, p, i in _options(slots)])
    yield LENGTH, lengths
    numbers = [_number(i.texts[p]) for _, _, p, i in _options(slots)]
    if any(number is not None for number in numbers):
        known = np.asarray([np.nan if n is None else n for n in numbers])
        yield NUMBER, _ranks(slots, known)


def _number(text: str) -> float | None:
    word = text.partition(" ")[0]
    try:
        return float(word)
    except ValueError:
        return None


def _ranks(slots: Slots, values_S: Floats) -> Floats:
    """The place of each number among those of its question, in [0, 1]; one half without any."""
    ranks_S = np.full(len(values_S), 0.5)
    for start, item in zip(slots.starts, slots.items, strict=True):
        mine = values_S[start : start + len(item.answers)]
        if not np.isnan(mine).any():
            below = (mine[:, None] > mine[None, :]).sum(1) + 0.5 * (mine[:, None] == mine).sum(1)
            ranks_S[start : start + len(item.answers)] = (below - 0.5) / max(len(mine) - 1, 1)
    return ranks_S


@dataclass(frozen=True, kw_only=True)
class Guessed:
    """What a forest makes of held-out questions.

    `shares_S` is the probability of each option, summing to 1 in a question; NaN where the
    question was not held out. `lost` has, by group of features, the probability of the right
    option that a question loses without the group: (N,).
    """

    shares_S: Floats
    lost: dict[str, Floats]


def guess(
    slots: Slots,
    features: Sequence[Feature],
    inner_N: Ints,
    *,
    trees: int,
    seed: int,
    reasons: bool = True,
) -> Guessed:
    """Fit a forest on the rows with an inner fold, and guess the others."""
    features_SC, groups = matrix(slots, features, inner_N)
    held_S = (inner_N < 0)[slots.rows]
    right_S = slots.gains > 0.5
    forest = classifier(trees, seed)
    forest.fit(features_SC[~held_S], right_S[~held_S])
    neutral_C = np.median(features_SC[~held_S], axis=0)
    shares_S = _shares(slots, forest, features_SC, held_S)
    right_N = _of_right(slots, shares_S)
    lost: dict[str, Floats] = {}
    for group in dict.fromkeys(groups if reasons else ()):
        without_SC = features_SC.copy()
        mine = [place for place, name in enumerate(groups) if name == group]
        without_SC[:, mine] = neutral_C[mine]
        lost[group] = right_N - _of_right(slots, _shares(slots, forest, without_SC, held_S))
    return Guessed(shares_S=shares_S, lost=lost)


def _shares(
    slots: Slots, forest: RandomForestClassifier, features_SC: Floats, held_S: Bools
) -> Floats:
    """The probabilities of the held-out options, made to sum to 1 in a question."""
    positive = list(forest.classes_).index(True) if True in forest.classes_ else None
    raw_S = np.full(len(held_S), np.nan)
    probabilities = forest.predict_proba(features_SC[held_S])
    raw_S[held_S] = 1.0 if positive is None else probabilities[:, positive]
    raw_S += 1e-9  # all options of a question may get nothing
    sums_N = np.add.reduceat(raw_S, slots.starts)
    return np.asarray(raw_S / sums_N[slots.rows], dtype=np.float64)


def _of_right(slots: Slots, shares_S: Floats) -> Floats:
    """The expected score of each question under these probabilities: (N,)."""
    return np.asarray(np.add.reduceat(shares_S * slots.gains, slots.starts), dtype=np.float64)
