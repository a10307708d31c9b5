"""Format and score of Thinking models over their training, and judged descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vicabench.curves.fit import Bounded
from vicabench.curves.measure import Series
from vicabench.judging.judge import COLUMNS, CRITERIA, HIGHEST, LOWEST, OVERALL, Judged
from vicabench.reference import ThinkingPoint
from vicabench.reporting.figures.curves import DATA
from vicabench.reporting.figures.style import (
    COLUMN,
    INK,
    INTERVALS,
    PAGE,
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
from vicabench.reporting.tables import WHOLE

WAYS = ("direct answer", "via thoughts", "not readable")


@dataclass(frozen=True, kw_only=True)
class _Row:
    """Shares in percent per kind of reply, and the average, with interval ends if known."""

    percent: float
    ways: tuple[Bounded, ...]
    average: Bounded


@styled
def adoption(series: Series | None = None, published: Sequence[ThinkingPoint] = ()) -> Figure:
    """Above: how many replies answer directly, via thoughts, or not at all. Below: the average.

    A measured series has bands; the published one, drawn with open marks, has none. ValueError
    if neither has anything to show.
    """
    ours = _measured(series) if series else []
    theirs = [_printed(point) for point in published]
    if not ours and not theirs:
        raise ValueError("nothing to draw: no Thinking replies")
    figure = blank(COLUMN, 3.0, says="Replies of a Thinking model over its training")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    for rows, solid in ((ours, True), (theirs, False)):
        for number, way in enumerate(WAYS if rows else ()):
            name = f"{way}, published" if ours and not solid else way
            _line(above, rows, [row.ways[number] for row in rows], number, name, solid=solid)
        if rows:
            _line(below, rows, [row.average for row in rows], 4, "", solid=solid)
    above.set_ylabel("Share of replies (%)")
    above.set_ylim(-4, 104)
    below.set_ylabel("Average score (%)")
    below.set_xlabel(DATA)
    legend(figure, *above.get_legend_handles_labels())
    footer(figure, _about(series if ours else None, published))
    return figure


def _line(
    axes: Axes,
    rows: Sequence[_Row],
    cells: Sequence[Bounded],
    number: int,
    name: str,
    *,
    solid: bool,
) -> None:
    drawn, percent = look(number), [row.percent for row in rows]
    if solid:
        axes.fill_between(
            percent,
            [cell.low for cell in cells],
            [cell.high for cell in cells],
            color=drawn.colour,
            alpha=0.18,
            lw=0,
        )
    axes.plot(
        percent,
        [cell.value for cell in cells],
        color=drawn.colour,
        ls=drawn.line,
        marker=drawn.marker,
        ms=2.8,
        mfc=drawn.colour if solid else "white",
        mew=0.8,
        lw=1.0,
        label=name or None,
    )


def _measured(series: Series) -> list[_Row]:
    rows = []
    for point in series.points:
        adoption, overall = point.adoption, point.scores.overall
        if adoption:
            valid = point.scores.valid
            silent = Bounded(value=100 - valid.mean, low=100 - valid.high, high=100 - valid.low)
            average = Bounded(value=overall.mean, low=overall.low, high=overall.high)
            ways = (adoption.direct_share, adoption.thought_share, silent)
            rows.append(_Row(percent=point.percent, ways=ways, average=average))
    return rows


def _printed(point: ThinkingPoint) -> _Row:
    counts = (point.direct_answers, point.via_thoughts, WHOLE - point.valid_outputs)
    return _Row(
        percent=point.percent,
        ways=tuple(_exactly(100 * count / WHOLE) for count in counts),
        average=_exactly(point.overall),
    )


def _exactly(value: float) -> Bounded:
    return Bounded(value=value, low=float("nan"), high=float("nan"))


def _about(series: Series | None, published: Sequence[ThinkingPoint]) -> str:
    parts = []
    if series:
        parts.append(f"{basis([point.scores for point in series.points])} {INTERVALS}")
    if published:
        names = ", ".join(dict.fromkeys(point.model for point in published))
        sources = ", ".join(dict.fromkeys(point.source for point in published))
        parts.append(
            f"{names}, n = {WHOLE:,} questions: as printed ({sources}), without intervals."
        )
    return " ".join(parts)


FEW = 6
"""The maximum number of runs in one column."""
CHARACTERS = 12
"""Characters of names per inch of the axis, with the space between names."""
APART = 0.09  # how far the criteria stand from each other; a run takes 1


@styled
def descriptions(judged: Sequence[Judged], judge: str, prompt: str) -> Figure:
    """The mean of each criterion, and of all three, for every run, in the order given.

    `judge` and `prompt` name what judged. ValueError for no run.
    """
    if not judged:
        raise ValueError("nothing to draw: no judged runs")
    width = COLUMN if len(judged) <= FEW else PAGE
    figure = blank(width, 2.4, says="Judged descriptions with 95% intervals")
    axes = figure.add_subplot()
    for number, name in enumerate(CRITERIA):
        _judged_line(axes, judged, name, number, (number - 1) * APART)
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
    footer(figure, _about_judged(judged, judge, prompt))
    return figure


def _judged_line(
    axes: Axes, judged: Sequence[Judged], name: str, number: int, shift: float
) -> None:
    """Draw one criterion, offset from the others so that intervals do not overlap."""
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
    """Draw the mean of the three criteria, with its value above the axes."""
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
    """The names, without an owner that all share, shortened to fit."""
    owners = {name.partition("/")[0] for name in names if "/" in name}
    shared = len(owners) == 1 and all("/" in name for name in names)
    return [shortened(name.partition("/")[2] if shared else name, 18) for name in names]


def _about_judged(judged: Sequence[Judged], judge: str, prompt: str) -> str:
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
