"""A curve as it is drawn, be it measured or published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vicabench.curves.fit import Bounded, Fit
from vicabench.curves.measure import Series, Tail
from vicabench.reference import Curve


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Scores over the percent of the data; published ones have NaN for the ends of intervals.

    `steps` are the changes since the point before, `certain` those whose paired interval leaves
    out 0. `look` numbers the way it is drawn; a published curve shares that of the measured one.
    """

    name: str
    percent: tuple[float, ...]
    score: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    steps: tuple[float, ...]
    certain: tuple[bool, ...]
    look: int
    published: bool = False
    gaps: tuple[float, ...] = ()
    fit: Fit | None = None
    tail: Tail | None = None

    @property
    def best(self) -> int:
        """The place of the highest score."""
        return self.score.index(max(self.score))


def traces(series: Sequence[Series], published: Sequence[Curve]) -> list[Trace]:
    """What is measured, then what is published."""
    names = list(dict.fromkeys([*(s.name for s in series), *(c.series for c in published)]))
    return [
        *(_measured(one, names.index(one.name)) for one in series),
        *(_published(one, names.index(one.series)) for one in published),
    ]


def _measured(series: Series, look: int) -> Trace:
    cells = [point.scores.overall for point in series.points]
    steps = [point.step for point in series.points if point.step]
    return Trace(
        name=series.name,
        percent=tuple(point.percent for point in series.points),
        score=tuple(cell.mean for cell in cells),
        low=tuple(cell.low for cell in cells),
        high=tuple(cell.high for cell in cells),
        steps=tuple(step.value for step in steps),
        certain=tuple(_leaves_out_zero(step) for step in steps),
        look=look,
        gaps=tuple(series.gaps),
        fit=series.fit,
        tail=series.tail,
    )


def _published(curve: Curve, look: int) -> Trace:
    scores = [point.average for point in curve.points]
    # Differences of printed figures have two decimals; what floats add to them is cut off.
    steps = [round(b - a, 2) for a, b in pairwise(scores)]
    unknown = (math.nan,) * len(scores)
    return Trace(
        name=curve.series,
        percent=tuple(point.percent for point in curve.points),
        score=tuple(scores),
        low=unknown,
        high=unknown,
        steps=tuple(steps),
        certain=(False,) * len(steps),
        look=look,
        published=True,
    )


def _leaves_out_zero(step: Bounded) -> bool:
    return step.low > 0 or step.high < 0
