"""Judged descriptions over checkpoints, as in the ViCA2 report's Figure 3."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vicabench.judging.judge import COLUMNS, CRITERIA, HIGHEST, LOWEST, OVERALL, Judged
from vicabench.reporting.figures.basis import INTERVALS, spread
from vicabench.reporting.figures.style import (
    COLUMN,
    INK,
    PAGE,
    TINY,
    blank,
    footer,
    legend,
    look,
    shortened,
    styled,
)
from vicabench.reporting.figures.whiskers import arms

FEW = 6
"""Runs that fit into one column."""
CHARACTERS = 12
"""How much of a name an inch of the axis has room for, with the space between names."""
APART = 0.09  # how far the criteria stand from each other; a run takes 1


@styled
def descriptions(judged: Sequence[Judged], judge: str, prompt: str) -> Figure:
    """The mean of each criterion, and of all three, for every run, in the order given.

    `judge` and `prompt` name what judged. ValueError for no run.
    """
    if not judged:
        raise ValueError("there is nothing to draw: no judged runs")
    width = COLUMN if len(judged) <= FEW else PAGE
    figure = blank(width, 2.4, says="Judged descriptions with 95% intervals")
    axes = figure.add_subplot()
    for number, name in enumerate(CRITERIA):
        _line(axes, judged, name, number, (number - 1) * APART)
    _overall(axes, judged)
    names = _short([one.model for one in judged])
    axes.set_xticks(range(len(judged)), names)
    axes.set_xlim(-0.4, len(judged) - 0.6)
    if sum(map(len, names)) > width * CHARACTERS:
        axes.tick_params(axis="x", rotation=25)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_ylim(LOWEST, HIGHEST)
    axes.set_ylabel(f"Judge's score ({LOWEST}–{HIGHEST})")
    legend(figure, *axes.get_legend_handles_labels())
    footer(figure, _about(judged, judge, prompt))
    return figure


def _line(axes: Axes, judged: Sequence[Judged], name: str, number: int, shift: float) -> None:
    """One criterion, beside the others, so that no interval hides another."""
    drawn, means = look(number), [one.means[name] for one in judged]
    values = [mean.value for mean in means]
    axes.errorbar(
        [place + shift for place in range(len(judged))],
        values,
        yerr=arms(values, [mean.low for mean in means], [mean.high for mean in means]),
        fmt=drawn.marker,
        ms=2.8,
        ls=drawn.line,
        color=drawn.colour,
        lw=0.9,
        capsize=1.5,
        label=COLUMNS[name],
    )


def _overall(axes: Axes, judged: Sequence[Judged]) -> None:
    """The mean of the three, its value above the axes where no line crosses it."""
    means = [one.means[OVERALL] for one in judged]
    at, values = [place + 2 * APART for place in range(len(judged))], [m.value for m in means]
    axes.errorbar(
        at,
        values,
        yerr=arms(values, [mean.low for mean in means], [mean.high for mean in means]),
        fmt="D",
        ms=2.6,
        mfc="white",
        color=INK,
        ls="none",
        lw=0.9,
        capsize=1.5,
        label="Mean (on top)",
    )
    for place, value in enumerate(values):
        axes.annotate(
            f"{value:.2f}", (place, 1.02), xycoords=axes.get_xaxis_transform(),
            ha="center", va="bottom", fontsize=TINY, fontweight="bold",
        )  # fmt: skip


def _short(names: Sequence[str]) -> list[str]:
    """The names without an owner that all of them share, at a length that fits."""
    owners = {name.partition("/")[0] for name in names if "/" in name}
    shared = len(owners) == 1 and all("/" in name for name in names)
    return [shortened(name.partition("/")[2] if shared else name, 18) for name in names]


def _about(judged: Sequence[Judged], judge: str, prompt: str) -> str:
    videos = spread((one.means[OVERALL].videos for one in judged), "video")
    text = f"n = {videos}, one description each; judged by {judge}, {prompt}. {INTERVALS}"
    undescribed, unjudged = (
        [getattr(one, k) for one in judged] for k in ("undescribed", "unjudged")
    )
    if any(undescribed):
        text += f" {spread(undescribed)} without a description, counted as 0."
    if any(unjudged):
        text += f" {spread(unjudged)} without a score that can be read, left out."
    return text
