"""Which questions are held out together: at random, or all of a scene at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
