"""Statistics of the right answers by what a question says, each without the question's own fold.

Everything is counted by `key`, a whole number for a text or a tuple of texts. Rows that a model is
fitted on get the statistics of the other inner folds, held-out rows those of all fitted rows: no
row's features contain its own answer. Shapes: L observations that count, R places that read a
statistic, F inner folds, K keys, S slots (a row, or an option of a row) that get a feature.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vicabench.audits.folds import Ints

Floats = NDArray[np.float64]
SMOOTHING = 3.0
"""How many observations the prior of a rate or mean is worth."""
HELD_OUT = -1
"""The inner fold of a row that no model is fitted on."""


@dataclass(kw_only=True)
class Statistic:
    """What is observed of the right answers, and where it is read.

    An observation is (row, key, value); a reading is (slot, key), of which a slot may have several.
    """

    slot_rows: Ints
    rows: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    _numbers: dict[Hashable, int] = field(default_factory=dict)

    def observe(self, row: int, key: Hashable, value: float) -> None:
        """Count a value under a key, known from the answer of this row."""
        self.rows.append(row)
        self.keys.append(self._number(key))
        self.values.append(value)

    def want(self, slot: int, key: Hashable) -> None:
        """Have the slot read what is known under a key."""
        self.slots.append(slot)
        self.read.append(self._number(key))

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def counted(self, inner_N: Ints, power: int = 1) -> tuple[Floats, Floats]:
        """Count and sum of values ** power for every reading: two of shape (R,).

        `inner_N` has the inner fold of each row, `HELD_OUT` for those that are not fitted on.
        """
        rows_L = np.asarray(self.rows, dtype=np.int64)
        keys_L = np.asarray(self.keys, dtype=np.int64)
        values_L = np.asarray(self.values, dtype=np.float64) ** power
        folds = int(inner_N.max(initial=0)) + 1
        width = len(self._numbers)
        known_L = inner_N[rows_L] != HELD_OUT
        cells_L = inner_N[rows_L][known_L] * width + keys_L[known_L]
        read_R = np.asarray(self.read, dtype=np.int64)
        own_R = inner_N[self.slot_rows[np.asarray(self.slots, dtype=np.int64)]]
        found = []
        for weights_L in (np.ones(known_L.sum()), values_L[known_L]):
            flat = np.bincount(cells_L, weights=weights_L, minlength=folds * width)
            sums_FK = flat.reshape(folds, width)
            own_R_sums = np.where(own_R == HELD_OUT, 0.0, sums_FK[own_R, read_R])
            found.append(sums_FK.sum(0)[read_R] - own_R_sums)
        return found[0], found[1]

    def mean(self, inner_N: Ints, prior: float | Floats) -> Floats:
        """The smoothed mean for every reading: shape (R,); the prior may be one for each."""
        count_R, sum_R = self.counted(inner_N)
        return (sum_R + SMOOTHING * prior) / (count_R + SMOOTHING)

    def gathered(self, values_R: Floats, how: str = "mean", empty: float = 0.0) -> Floats:
        """The mean, least or largest of the readings of each slot, `empty` without any: (S,)."""
        slots_R, size = np.asarray(self.slots, dtype=np.int64), len(self.slot_rows)
        count_S = np.bincount(slots_R, minlength=size)
        if how == "mean":
            sum_S = np.bincount(slots_R, weights=values_R, minlength=size)
            found_S = sum_S / np.maximum(count_S, 1)
        else:
            found_S = np.full(size, np.inf if how == "min" else -np.inf)
            (np.minimum if how == "min" else np.maximum).at(found_S, slots_R, values_R)
        return np.where(count_S > 0, found_S, empty)


def statistic(
    slot_rows: Sequence[int] | Ints,
    observed: Iterable[tuple[int, Hashable, float]],
    wanted: Iterable[tuple[int, Hashable]],
) -> Statistic:
    """A statistic of these observations and readings."""
    made = Statistic(slot_rows=np.asarray(slot_rows, dtype=np.int64))
    for row, key, value in observed:
        made.observe(row, key, value)
    for slot, key in wanted:
        made.want(slot, key)
    return made


Column = Callable[[Ints], Floats]
"""A feature of every slot, given the inner folds of the rows."""
