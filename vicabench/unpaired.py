"""A run beside a published row, of which nothing but the printed figures is known.

There are no answers to pair and no interval to add: the difference carries the uncertainty of our
run alone, which is less than the whole of it, and no p-value can be given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vicabench.reference import Published
from vicabench.types import Estimate, Scores


@dataclass(frozen=True, kw_only=True)
class UnpairedComparison:
    """Our run minus a published row in points, for the figures that both have.

    The intervals are our run's, moved by the printed figure. `overall` is None where the row
    prints no average or our run lacks a task.
    """

    scores: Scores
    published: Published
    tasks: Mapping[str, Estimate]
    overall: Estimate | None
    notes: tuple[str, ...] = ()


def compare_published(
    scores: Scores, published: Published, *, notes: Iterable[str] = ()
) -> UnpairedComparison:
    """Subtract the printed figures of a published row from the estimates of a run."""
    printed = None if scores.missing else published.overall
    return UnpairedComparison(
        scores=scores,
        published=published,
        tasks={
            name: _less(estimate, published.tasks[name])
            for name, estimate in scores.tasks.items()
            if name in published.tasks
        },
        overall=None if printed is None else _less(scores.overall, printed),
        notes=tuple(notes),
    )


def _less(estimate: Estimate, printed: float) -> Estimate:
    return replace(
        estimate,
        mean=estimate.mean - printed,
        low=estimate.low - printed,
        high=estimate.high - printed,
    )
