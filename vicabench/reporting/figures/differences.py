"""Paired differences as a forest plot, and task scores as a radar chart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes

from vicabench.curves.measure import signed
from vicabench.errors import DataError, counted
from vicabench.reporting.figures.style import (
    CLEAR,
    COLUMN,
    FAINT,
    GRID,
    HOW,
    INK,
    INTERVALS,
    SMALL,
    TINY,
    arms,
    basis,
    blank,
    footer,
    legend,
    look,
    shortened,
    spread,
    styled,
)
from vicabench.reporting.tables import common_rubric
from vicabench.scoring.compare import Comparison, Difference
from vicabench.types import Scores

CERTAIN = 0.05


@styled
def differences(comparisons: Sequence[Comparison]) -> Figure:
    """One row per task and one overall: each run minus the reference, in points.

    Filled marks are differences with p < 0.05, over the tasks after Holm's correction. All
    comparisons are with the same reference. ValueError for no comparison.
    """
    if not comparisons:
        raise ValueError("nothing to draw: no comparisons")
    rubric = common_rubric([comparison.scores_b for comparison in comparisons])
    rows = [("overall", "Average"), *((task.name, task.title) for task in rubric.tasks)]
    height = 0.85 + len(rows) * (0.13 + 0.075 * len(comparisons))
    reference = comparisons[0].model_a
    figure = blank(COLUMN, height, says=f"Paired differences from {reference}")
    axes = figure.add_subplot()
    for number, comparison in enumerate(comparisons):
        shift = (number - (len(comparisons) - 1) / 2) * 0.7 / len(comparisons)
        for place, (name, _) in enumerate(rows):
            difference = comparison.overall if name == "overall" else comparison.tasks.get(name)
            if difference:
                _mark(axes, place + shift, difference, number, valued=len(comparisons) == 1)
        drawn = look(number)
        axes.plot([], [], drawn.marker, color=drawn.colour, label=shortened(comparison.model_b))
    axes.axvline(0, color=INK, lw=0.7)
    axes.axhline(0.5, color=FAINT, lw=0.5)
    axes.set_yticks(range(len(rows)), [title for _, title in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"Points better than {shortened(reference)}")
    legend(figure, *axes.get_legend_handles_labels())
    footer(figure, _about(comparisons))
    return figure


def _mark(axes: Axes, place: float, difference: Difference, number: int, *, valued: bool) -> None:
    drawn, p = look(number), difference.p if difference.p_holm is None else difference.p_holm
    axes.errorbar(
        difference.estimate.mean,
        place,
        xerr=arms(difference.estimate.mean, difference.estimate.low, difference.estimate.high),
        fmt=drawn.marker,
        color=drawn.colour,
        mfc=drawn.colour if p < CERTAIN else "white",
        ms=4,
        mew=0.8,
        lw=1.0,
        capsize=1.5,
    )
    if valued:
        axes.annotate(
            signed(difference.estimate.mean), (difference.estimate.mean, place), (0, 3),
            textcoords="offset points", ha="center", va="bottom", fontsize=TINY - 0.5,
            bbox=CLEAR,
        )  # fmt: skip


def _about(comparisons: Sequence[Comparison]) -> str:
    shared = spread((c.shared for c in comparisons), "shared question")
    videos = spread((c.overall.clusters for c in comparisons), "video")
    protocols = ", ".join(dict.fromkeys(comparison.protocol for comparison in comparisons))
    return (
        f"n = {shared} in {videos}; protocol {protocols}. Paired "
        f"intervals: {HOW}. Filled: p < {CERTAIN}, permutation over videos, tasks after Holm."
    )


FEWEST_SIDES = 3  # of a profile
BANDS, MOST = 3, 6


@styled
def radar(scores: Sequence[Scores]) -> Figure:
    """One polygon per model; tasks without questions are gaps.

    The 95% intervals are bands for up to `BANDS` models; more would cover one another. ValueError
    for nothing to draw, DataError for more than `MOST` models, whose polygons would too.
    """
    if not scores:
        raise ValueError("nothing to draw: no scores")
    if len(scores) > MOST:
        raise DataError(
            f"The profiles of {counted(len(scores), 'run')} cover one another: name up to "
            f"{counted(MOST, 'run')}, or draw --kind tasks."
        )
    named = common_rubric(scores).tasks
    if len(named) < FEWEST_SIDES:
        raise DataError(
            f"A profile needs {FEWEST_SIDES} tasks at least: draw --kind tasks instead."
        )
    figure = blank(COLUMN, 2.5, says="Profile over the tasks")
    axes = figure.add_subplot(projection="polar")
    assert isinstance(axes, PolarAxes)  # noqa: S101  (for the type checker)
    angles = np.linspace(0, 2 * np.pi, len(named), endpoint=False)
    for place, row in enumerate(scores):
        _polygon(axes, angles, row, place, band=len(scores) <= BANDS)
    _dress(axes, angles, [task.title for task in named])
    legend(figure, *axes.get_legend_handles_labels())
    intervals = (
        INTERVALS if len(scores) <= BANDS else "95% intervals are in the bars of every task."
    )
    footer(figure, f"Scores in %. {basis(scores)} {intervals}")
    return figure


def _dress(axes: PolarAxes, angles: np.ndarray, titles: Sequence[str]) -> None:
    """The circles of a profile, and the titles of its tasks around them."""
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.set_xticks(angles, titles, fontsize=SMALL)
    for angle, name in zip(angles, axes.get_xticklabels(), strict=True):
        side = np.sin(angle).round(3)  # names stand beside the circle, never on it
        name.set_horizontalalignment("center" if side == 0 else "left" if side > 0 else "right")
    axes.tick_params(axis="x", pad=3)
    axes.set_ylim(0, 100)
    axes.set_yticks([25, 50, 75, 100], ["25", "50", "75", "100"], fontsize=TINY - 0.5, color=FAINT)
    axes.set_rlabel_position(22.5)
    axes.grid(color=GRID, lw=0.5)
    axes.spines["polar"].set_color(GRID)


def _polygon(axes: PolarAxes, angles: np.ndarray, row: Scores, place: int, *, band: bool) -> None:
    drawn = look(place)
    estimates = [row.tasks.get(task.name) for task in row.rubric.tasks]
    means = [math.nan if cell is None else cell.mean for cell in estimates]
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
        low = [math.nan if cell is None else cell.low for cell in estimates]
        high = [math.nan if cell is None else cell.high for cell in estimates]
        axes.fill_between(
            around, [*low, low[0]], [*high, high[0]], color=drawn.colour, alpha=0.15, lw=0
        )
