"""How well does a map keep distances? The paper's measure (arXiv 2412.14171, appendix B.4).

The distance of two categories is the shortest one between an object of each, in cells. It is right
if it differs from that in the true map by at most one cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from vicabench.mapping.reading import Map
from vicabench.scoring.stats import mean_of
from vicabench.types import Estimate

TOLERANCE = 1.0
EDGES = (2.1, 3.3, 4.4, 5.5, 6.6, 7.8, 8.9, math.inf)
"""The upper ends of the paper's eight ranges of true distances (Table 5); its first begins at 1.0
and its last ends at 10.0, ours hold the rest too, so that each pair is in one of them."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two categories of a video: their true distance in cells, and that in the model's map.

    `told` is None if the map lacks one of them, or if there is no map: then the pair is wrong.
    """

    video: str
    names: tuple[str, str]
    true: float
    told: float | None

    @property
    def right(self) -> bool:
        """Whether the two distances differ by at most one cell."""
        return self.told is not None and abs(self.told - self.true) <= TOLERANCE + 1e-9


def distance(found: Map, a: str, b: str) -> float | None:
    """The shortest distance between objects of two categories, in cells; None without both."""
    between = [math.dist(one, two) for one in found.get(a, ()) for two in found.get(b, ())]
    return min(between, default=None)


def pairs_of(video: str, truth: Map, told: Map | None) -> list[Pair]:
    """All pairs of categories in the true map of a video; `told` is None for an unread map."""
    pairs = []
    for a, b in combinations(sorted(truth), 2):
        true = distance(truth, a, b)
        if true is not None:
            mine = None if told is None else distance(told, a, b)
            pairs.append(Pair(video=video, names=(a, b), true=true, told=mine))
    return pairs


def accuracy(pairs: Sequence[Pair]) -> Estimate:
    """The share of right pairs in percent, with its 95% interval over videos.

    `failed` counts the pairs of which the map lacks a category, or which have no map.
    """
    mean, low, high = mean_of([float(p.right) for p in pairs], [p.video for p in pairs])
    return Estimate(
        mean=100 * mean,
        low=100 * low,
        high=100 * high,
        count=len(pairs),
        clusters=len({p.video for p in pairs}),
        failed=sum(p.told is None for p in pairs),
    )


def by_distance(pairs: Sequence[Pair]) -> Mapping[str, Estimate]:
    """The accuracy in each of the paper's ranges of true distances, from near to far."""
    found, low = {}, 0.0
    for high in EDGES:
        inside = [p for p in pairs if (low < p.true or low == 0) and p.true <= high]
        name = f"up to {high}" if low == 0 else f"{low} to {high}"
        found[name if high < math.inf else f"over {low}"] = accuracy(inside)
        low = high
    return found
