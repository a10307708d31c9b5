"""How a Thinking model takes up its format while it is trained, and what that does to its score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vicabench.curves.fit import Bounded
from vicabench.curves.measure import Series
from vicabench.reference import ThinkingPoint
from vicabench.reporting.cells import WHOLE
from vicabench.reporting.figures.basis import INTERVALS, basis
from vicabench.reporting.figures.curves import DATA
from vicabench.reporting.figures.style import (
    COLUMN,
    blank,
    footer,
    legend,
    look,
    styled,
)

WAYS = ("direct answer", "via thoughts", "not readable")


@dataclass(frozen=True, kw_only=True)
class _Row:
    """Shares in percent by way of answering, and the average; no ends where none are known."""

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
        raise ValueError("there is nothing to draw: no Thinking replies")
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
        found, overall = point.adoption, point.scores.overall
        if found:
            valid = point.scores.valid
            silent = Bounded(value=100 - valid.mean, low=100 - valid.high, high=100 - valid.low)
            average = Bounded(value=overall.mean, low=overall.low, high=overall.high)
            ways = (found.direct_share, found.thought_share, silent)
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
