"""Paired differences of two or more runs as a forest plot."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vicabench.curves.measure import signed
from vicabench.reporting.figures.basis import HOW, spread
from vicabench.reporting.figures.style import (
    COLUMN,
    FAINT,
    INK,
    TINY,
    blank,
    footer,
    legend,
    look,
    shortened,
    styled,
)
from vicabench.reporting.figures.whiskers import arms
from vicabench.scoring.compare import Comparison, Difference
from vicabench.types import TASKS

CERTAIN = 0.05


@styled
def differences(comparisons: Sequence[Comparison]) -> Figure:
    """A row a task and one overall: how much better each run is than the reference, in points.

    Filled marks are differences with p < 0.05, over the tasks after Holm's correction. All
    comparisons are with the same reference. ValueError for no comparison.
    """
    if not comparisons:
        raise ValueError("there is nothing to draw: no comparisons")
    rows = [("overall", "Average"), *((task.name, task.title) for task in TASKS)]
    height = 0.85 + len(rows) * (0.13 + 0.075 * len(comparisons))
    reference = comparisons[0].model_a
    figure = blank(COLUMN, height, says=f"Paired differences from {reference}")
    axes = figure.add_subplot()
    for number, comparison in enumerate(comparisons):
        shift = (number - (len(comparisons) - 1) / 2) * 0.7 / len(comparisons)
        for place, (name, _) in enumerate(rows):
            found = comparison.overall if name == "overall" else comparison.tasks.get(name)
            if found:
                _mark(axes, place + shift, found, number, valued=len(comparisons) == 1)
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


def _mark(axes: Axes, place: float, found: Difference, number: int, *, valued: bool) -> None:
    drawn, p = look(number), found.p if found.p_holm is None else found.p_holm
    axes.errorbar(
        found.estimate.mean,
        place,
        xerr=arms(found.estimate.mean, found.estimate.low, found.estimate.high),
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
            signed(found.estimate.mean), (found.estimate.mean, place), (0, 3),
            textcoords="offset points", ha="center", va="bottom", fontsize=TINY - 0.5,
        )  # fmt: skip


def _about(comparisons: Sequence[Comparison]) -> str:
    shared = spread((c.shared for c in comparisons), "shared question")
    videos = spread((c.overall.clusters for c in comparisons), "video")
    protocols = ", ".join(dict.fromkeys(comparison.protocol for comparison in comparisons))
    return (
        f"n = {shared} in {videos}; protocol {protocols}. Paired "
        f"intervals: {HOW}. Filled: p < {CERTAIN}, permutation over videos, tasks after Holm."
    )
