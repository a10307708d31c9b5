"""The eight tasks of a model as a polygon, for its profile at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes

from vicabench.reporting.figures.basis import INTERVALS, basis
from vicabench.reporting.figures.style import (
    COLUMN,
    FAINT,
    GRID,
    SMALL,
    TINY,
    blank,
    footer,
    legend,
    look,
    shortened,
    styled,
)
from vicabench.types import TASKS, Scores

BANDS = 3


@styled
def radar(scores: Sequence[Scores]) -> Figure:
    """One polygon a model; tasks without questions are gaps.

    The 95% intervals are bands for up to `BANDS` models; more would cover one another.

    ValueError for nothing to draw.
    """
    if not scores:
        raise ValueError("there is nothing to draw: no scores")
    figure = blank(COLUMN, 2.5, says="Profile over the eight tasks")
    axes = figure.add_subplot(projection="polar")
    assert isinstance(axes, PolarAxes)  # noqa: S101  (for the type checker)
    angles = np.linspace(0, 2 * np.pi, len(TASKS), endpoint=False)
    for place, row in enumerate(scores):
        _polygon(axes, angles, row, place, band=len(scores) <= BANDS)
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.set_xticks(angles, [task.title for task in TASKS], fontsize=SMALL)
    for angle, name in zip(angles, axes.get_xticklabels(), strict=True):
        side = np.sin(angle).round(3)  # names stand beside the circle, never on it
        name.set_horizontalalignment("center" if side == 0 else "left" if side > 0 else "right")
    axes.tick_params(axis="x", pad=1)
    axes.set_ylim(0, 100)
    axes.set_yticks([25, 50, 75, 100], ["25", "50", "75", "100"], fontsize=TINY - 0.5, color=FAINT)
    axes.set_rlabel_position(22.5)
    axes.grid(color=GRID, lw=0.5)
    axes.spines["polar"].set_color(GRID)
    legend(figure, *axes.get_legend_handles_labels())
    said = INTERVALS if len(scores) <= BANDS else "95% intervals are in the bars of every task."
    footer(figure, f"Scores in %. {basis(scores)} {said}")
    return figure


def _polygon(axes: PolarAxes, angles: np.ndarray, row: Scores, place: int, *, band: bool) -> None:
    drawn = look(place)
    found = [row.tasks.get(task.name) for task in TASKS]
    means = [math.nan if cell is None else cell.mean for cell in found]
    around = [*angles, angles[0]]
    axes.plot(
        around,
        [*means, means[0]],
        color=drawn.colour,
        ls=drawn.line,
        marker=drawn.marker,
        clip_on=False,  # the marks of a perfect score stand on the rim
        label=shortened(row.model),
    )
    if band:
        low = [math.nan if cell is None else cell.low for cell in found]
        high = [math.nan if cell is None else cell.high for cell in found]
        axes.fill_between(
            around, [*low, low[0]], [*high, high[0]], color=drawn.colour, alpha=0.15, lw=0
        )
