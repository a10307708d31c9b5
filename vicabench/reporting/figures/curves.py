"""Scaling curves, measured or published: the average, and the tasks in small multiples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vicabench.curves.fit import Bounded, Fit
from vicabench.curves.measure import Series, Tail, briefly, saturation, signed
from vicabench.reference import Curve
from vicabench.reporting.figures.style import (
    BANDS,
    FAINT,
    INK,
    PAGE,
    TINY,
    basis,
    blank,
    footer,
    legend,
    look,
    styled,
)
from vicabench.reporting.tables import WHOLE, common_rubric, estimate_of


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Scores over the percentage of the data; published ones have NaN as interval ends.

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
        """The index of the highest score."""
        return self.score.index(max(self.score))


def traces(series: Sequence[Series], published: Sequence[Curve]) -> list[Trace]:
    """The measured series, then the published curves."""
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


LABELLED = 2
"""The maximum number of curves whose steps are labelled, as labels would overlap."""
STEEP = 2.0
"""The change in score from which a line would cross a label at its middle."""
FLAT = 0.5
"""The change in score up to which a label beside the line does not touch it."""
DATA = "Share of the training data (%)"


@styled
def curve(series: Sequence[Series], published: Sequence[Curve] = ()) -> Figure:
    """The average over the share of the data, measured series and published ones.

    Measured series have 95% bands, a star on the best point, crosses at gaps, and the fit with its
    extrapolation to twice the data in a separate panel. With up to two curves, every step is
    labelled, as in the reports. Raises ValueError without any series.
    """
    drawn = traces(series, published)
    if not drawn:
        raise ValueError("nothing to draw: no series")
    fits = any(trace.fit for trace in drawn)
    figure = blank(PAGE, 2.55, says="Average score over the share of the training data")
    if fits:
        axes, beyond = figure.subplots(1, 2, sharey=True, width_ratios=[5, 1])
    else:
        axes, beyond = figure.add_subplot(), None
    labelled = len(drawn) <= LABELLED
    order = sorted(drawn, key=lambda trace: trace.score[-1])
    for trace in drawn:
        _line(axes, trace)
        if labelled:
            _label_steps(axes, trace, below=len(drawn) > 1 and trace is order[0])
        if trace.fit and beyond:
            _fitted(axes, beyond, trace)
    _cross_gaps(axes, drawn)
    axes.set_xlabel(DATA)
    axes.set_ylabel("Average score (%)")
    axes.margins(x=0.03, y=0.09)
    if beyond:
        _finish(beyond, drawn)
    legend(figure, *axes.get_legend_handles_labels())
    footer(figure, _about(series, published, drawn, labelled=labelled))
    return figure


@styled
def curve_tasks(series: Sequence[Series]) -> Figure:
    """One panel per task: its score over the share of the data with its 95% band.

    ValueError for nothing to draw.
    """
    if not series:
        raise ValueError("nothing to draw: no series")
    figure = blank(PAGE, 3.3, says="Scores of every task over the share of the training data")
    rows = [point.scores for one in series for point in one.points]
    named = common_rubric(rows).tasks
    across = min(4, len(named))
    down = math.ceil(len(named) / across)
    panels = figure.subplots(down, across, sharex=True, squeeze=False)
    for axes in panels.flat[len(named) :]:
        axes.set_axis_off()
    for (column, title), axes in zip(((t.name, t.title) for t in named), panels.flat, strict=False):
        for number, one in enumerate(series):
            _task(axes, one, column, number)
        axes.set_title(title)
    figure.supylabel("Score (%)", fontsize=TINY + 1)
    for axes in panels[-1]:
        axes.set_xlabel(DATA, fontsize=TINY)
    legend(figure, *panels[0, 0].get_legend_handles_labels())
    footer(figure, f"{basis(rows)} {BANDS} The panels' scales differ.")
    return figure


def _task(axes: Axes, one: Series, column: str, number: int) -> None:
    estimates = [(p.percent, estimate_of(p.scores, column)) for p in one.points]
    present = [(percent, cell) for percent, cell in estimates if cell]
    percent = [place for place, _ in present]
    drawn = look(number)
    axes.fill_between(
        percent,
        [cell.low for _, cell in present],
        [cell.high for _, cell in present],
        color=drawn.colour,
        alpha=0.18,
        lw=0,
    )
    axes.plot(
        percent,
        [cell.mean for _, cell in present],
        color=drawn.colour,
        ls=drawn.line,
        marker=drawn.marker,
        ms=2.2,
        lw=0.9,
        label=one.name,
    )


def _line(axes: Axes, trace: Trace) -> None:
    drawn, best = look(trace.look), trace.best
    if trace.published:
        style: dict[str, Any] = {"lw": 0.9, "mfc": "white", "mew": 0.8, "ms": 3.2}
        name = f"{trace.name}, published: best {trace.score[best]:.2f} at {trace.percent[best]}%"
    else:
        style = {"ms": 3.2}
        low, high = trace.low[best], trace.high[best]
        near = "[n/a]" if math.isnan(low) else f"[{low:.1f}, {high:.1f}]"
        name = f"{trace.name}: best {trace.score[best]:.1f} {near} at {trace.percent[best]}%"
        axes.fill_between(
            trace.percent, trace.low, trace.high, color=drawn.colour, alpha=0.18, lw=0
        )
    axes.plot(
        trace.percent,
        trace.score,
        color=drawn.colour,
        ls=drawn.line,
        marker=drawn.marker,
        label=name,
        **style,
    )
    axes.plot(
        [trace.percent[best]],
        [trace.score[best]],
        "*",
        ms=9,
        color=drawn.colour,
        mec=INK,
        mew=0.5,
        zorder=4,
    )


def _label_steps(axes: Axes, trace: Trace, *, below: bool) -> None:
    """Label the change since the previous point outside the band, bold if significant."""
    for number, step in enumerate(trace.steps, 1):
        after = 0.0 if number == len(trace.steps) else trace.steps[number]
        # A band keeps labels away from the line.
        under, aside = _beside(step, after, below=below) if trace.published else (below, 0)
        edge = trace.low[number] if under else trace.high[number]
        axes.annotate(
            signed(step, 2),
            (trace.percent[number], trace.score[number] if math.isnan(edge) else edge),
            (aside, -5 if under else 5),
            textcoords="offset points",
            ha="center",
            va="top" if under else "bottom",
            fontsize=TINY - 0.5,
            fontweight="bold" if trace.certain[number - 1] else "normal",
        )


def _beside(step: float, after: float, *, below: bool) -> tuple[bool, int]:
    """Whether a label goes below its point, and its horizontal offset in points.

    A steep line that comes from or goes to the label's side would run through it. Where the other
    line is flat or as steep, in a valley or on a peak, the other side of the curve is free; else
    the label makes way.
    """
    up = -1 if below else 1
    comes, goes = up * step < -STEEP, up * after > STEEP
    if (comes and (goes or abs(after) < FLAT)) or (goes and abs(step) < FLAT):
        return not below, 0
    return below, 6 * (comes - goes)


def _cross_gaps(axes: Axes, drawn: Sequence[Trace]) -> None:
    """Mark missing checkpoints with crosses at the foot of the axes."""
    named = False
    for trace in drawn:
        if trace.gaps:
            axes.plot(
                trace.gaps,
                [0.015 + 0.03 * trace.look] * len(trace.gaps),
                "x",
                ms=4,
                color=look(trace.look).colour,
                transform=axes.get_xaxis_transform(),
                label=None if named else "no result",
            )
            named = True


def _fitted(axes: Axes, beyond: Axes, trace: Trace) -> None:
    """Draw the fit as a thin line, and its extrapolation with a widening band."""
    fit = trace.fit
    if fit is None:
        return
    colour, last = look(trace.look).colour, trace.percent[-1]
    percent_X, score_X = np.array(fit.percent_X), np.array(fit.score_X)
    inside = percent_X <= last
    axes.plot(percent_X[inside], score_X[inside], color=colour, lw=0.7, ls=(0, (1, 1)))
    outside = percent_X >= last
    low_X, high_X = np.array(fit.low_X)[outside], np.array(fit.high_X)[outside]
    beyond.fill_between(percent_X[outside], low_X, high_X, color=colour, alpha=0.1, lw=0)
    for edge_X in (low_X, high_X):
        beyond.plot(percent_X[outside], edge_X, color=colour, lw=0.5, ls=(0, (4, 3)))
    beyond.plot(percent_X[outside], score_X[outside], color=colour, lw=0.9, ls=(0, (1, 1)))


def _finish(beyond: Axes, drawn: Sequence[Trace]) -> None:
    last = max(trace.percent[-1] for trace in drawn)
    beyond.set_title("extrapolated", fontsize=TINY, color=FAINT)
    beyond.set_xlim(last, 2 * last)
    beyond.set_xticks([1.5 * last, 2 * last], [f"{1.5 * last:.0f}", f"{2 * last:.0f}"])
    beyond.spines["left"].set_visible(False)
    beyond.tick_params(axis="y", length=0, labelleft=False)


def _about(
    series: Sequence[Series], curves: Sequence[Curve], drawn: Sequence[Trace], *, labelled: bool
) -> str:
    rows = [point.scores for one in series for point in one.points]
    parts = [f"{basis(rows)} {BANDS}"] if rows else []
    parts.append(
        "Stars: the highest averages" + (", flattered as the best of several." if rows else ".")
    )
    if labelled:
        bold = ", bold if its paired interval leaves out 0" if rows else ""
        parts.append(f"Labels: change since the point before{bold}.")
    if curves:
        points = [point for curve in curves for point in curve.points]
        sources = ", ".join(dict.fromkeys(p.source.partition(" (")[0] for p in points))
        parts.append(
            f"Published points are as printed ({sources}; n = {WHOLE:,} questions of VSI-Bench) "
            "and carry no intervals."
        )
        named = [p.source.partition(" (")[2].removesuffix(")") for p in points]
        parts += [f"{note}." for note in dict.fromkeys(named) if note]
    measured = [trace for trace in drawn if not trace.published]
    say = saturation if len(measured) == 1 else briefly
    parts += [text for t in measured if (text := say(t.name, t.tail, t.fit))]
    return " ".join(parts)
