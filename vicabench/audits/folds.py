"""Held-out prediction: which questions are held out together, and the forests that predict them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
RANDOM, BY_SCENE = "random", "scene"
KINDS = (RANDOM, BY_SCENE)


def folds_of(scenes: Sequence[str], folds: int, kind: str, seed: int) -> Ints:
    """The fold of every question, from 0: shape (N,).

    Random folds are of equal size; scenes are spread so that folds are nearly so. There are as
    many folds as scenes, or questions, if those are fewer; a single one has no other to learn
    from, and stands in fold 0.
    """
    generator = np.random.default_rng(seed)
    if kind == RANDOM:
        place_N = generator.permutation(len(scenes))
        return np.asarray(place_N % max(1, min(folds, len(scenes))), dtype=np.int64)
    sizes = Counter(scenes)
    names = sorted(sizes)
    shuffled = [names[place] for place in generator.permutation(len(names))]
    load = [0] * max(1, min(folds, len(names)))
    home = {}
    for name in sorted(shuffled, key=lambda name: -sizes[name]):
        home[name] = load.index(min(load))
        load[home[name]] += sizes[name]
    return np.asarray([home[scene] for scene in scenes], dtype=np.int64)


# On one core: threads of scikit-learn race for the filters of Python's warnings, which are global,
# and leave them empty.
LEAST = 5
"""The fewest rows in a leaf."""


def classifier(trees: int, seed: int) -> RandomForestClassifier:
    """A forest for right and wrong options; scikit-learn's defaults but for the leaves."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    return RandomForestClassifier(n_estimators=trees, min_samples_leaf=LEAST, random_state=seed)


def regressor(trees: int, seed: int) -> RandomForestRegressor:
    """A forest for numbers; scikit-learn's defaults but for the leaves."""
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415

    return RandomForestRegressor(n_estimators=trees, min_samples_leaf=LEAST, random_state=seed)
