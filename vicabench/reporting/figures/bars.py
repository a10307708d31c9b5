"""Bars: averages, every task with its interval, and scores by data set and room size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vicabench.errors import DataError, counted, printable
from vicabench.harnesses.protocols import Protocol
from vicabench.reference import Published
from vicabench.reporting.figures.style import (
    CLEAR,
    COLUMN,
    FAINT,
    INTERVALS,
    PAGE,
    PALE,
    TINY,
    basis,
    blank,
    footer,
    grow,
    legend,
    look,
    points,
    scale,
    shortened,
    spread,
    styled,
    whiskers,
)
from vicabench.reporting.tables import OVERALL, Columns, columns_for, common_rubric, estimate_of
from vicabench.results.run import Run
from vicabench.scoring.stats import score_run
from vicabench.types import Estimate, Scores

GROUPS = {
    "proprietary": ("#E8E2D0", ""),
    "open-source": (PALE, ""),
    "specialised": ("#ffffff", "----"),
    "vica": ("#7f9bc4", ""),
    "ablation": ("#b9c8e0", "\\\\\\\\"),
    "human": ("#ffffff", "////"),
    "chance": ("#ffffff", "...."),
}
"""Fill and hatching of published bars by group, distinct even in grey."""
_BAR = 0.155  # inches a row of horizontal bars takes


@styled
def averages(scores: Sequence[Scores], published: Sequence[Published] = ()) -> Figure:
    """The averages as horizontal bars, best on top; ours with intervals, published ones without.

    Published rows without a printed average are left out. ValueError for nothing to draw.
    """
    printed = [p for p in published if p.overall is not None]
    twice = Counter(p.label for p in printed)
    rows: list[tuple[float, str, Scores | Published]] = [
        *((s.overall.mean, shortened(s.model), s) for s in scores),
        *((p.overall or 0.0, shortened(_label(p, twice[p.label]), 34), p) for p in printed),
    ]
    ordered = sorted(rows, key=lambda row: row[0])
    if not ordered:
        raise ValueError("nothing to draw: no scores")
    figure = blank(COLUMN, 0.6 + _BAR * len(ordered), says="Average scores, best on top")
    axes = figure.add_subplot()
    for place, (mean, _, row) in enumerate(ordered):
        if isinstance(row, Scores):
            _our_bar(axes, place, row.overall)
        else:
            _published_bar(axes, place, mean, row.group)
            axes.annotate(
                f"{mean:.1f}", (mean, place), (2, 0), textcoords="offset points",
                va="center", fontsize=TINY, bbox=CLEAR,
            )  # fmt: skip
    axes.set_yticks(range(len(ordered)), [name for _, name, _ in ordered])
    axes.set_ylim(-0.6, len(ordered) - 0.4)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    reach = max([ordered[-1][0], *(s.overall.high for s in scores if s.overall.high >= 0)])
    axes.set_xlim(0, min(118, max(5.0, 1.22 * reach)))
    axes.set_xlabel("Average score (%)")
    axes.tick_params(axis="y", length=0)
    _group_names(figure, axes, printed, ours=bool(scores))
    footer(figure, _about(scores, printed))
    return figure


def _published_bar(axes: Axes, place: int, mean: float, group: str, **more: Any) -> None:
    fill, hatch = GROUPS[group]
    with mpl.rc_context({"hatch.color": FAINT}):
        axes.barh(place, mean, 0.72, facecolor=fill, ec=FAINT, lw=0.4, hatch=hatch, **more)


def _label(row: Published, times: int) -> str:
    """The row's label, with its source if several rows share the label."""
    return row.label if times == 1 else f"{row.label} ({row.source.partition(' Table')[0]})"


def _our_bar(axes: Axes, place: int, estimate: Estimate) -> None:
    axes.barh(place, estimate.mean, 0.72, color=look(0).colour)
    bounds = (estimate.low, estimate.high)
    whiskers(axes, place, estimate.mean, bounds, across=True, lw=0.9, capsize=1.8)
    high = estimate.mean if math.isnan(estimate.high) else estimate.high
    axes.annotate(
        f"{estimate.mean:.1f}", (high, place), (3, 0), textcoords="offset points",
        va="center", fontsize=TINY, fontweight="bold", bbox=CLEAR,
    )  # fmt: skip


def _group_names(figure: Figure, axes: Axes, published: Sequence[Published], *, ours: bool) -> None:
    """A legend of the fills of the groups present."""
    groups = [group for group in GROUPS if any(row.group == group for row in published)]
    names = {"vica": "ViCA reports"}
    if ours:
        axes.barh(0, 0, color=look(0).colour, label="measured here")
    for group in groups:
        _published_bar(axes, 0, 0, group, label=names.get(group, group))
    if groups:
        legend(figure, *axes.get_legend_handles_labels())


@styled
def tasks(scores: Sequence[Scores]) -> Figure:
    """Every task and the average as bars with intervals, one bar per model.

    ValueError for nothing to draw.
    """
    if not scores:
        raise ValueError("nothing to draw: no scores")
    columns = columns_for(common_rubric(scores))
    figure = blank(PAGE, 2.15, says="Scores of every task with 95% intervals")
    cells = [
        {column: estimate for column, _ in columns if (estimate := estimate_of(row, column))}
        for row in scores
    ]
    rows = [(row.model, cell) for row, cell in zip(scores, cells, strict=True)]
    parts = _rows_of_bars(figure, len(rows), columns)
    grow(figure, 1.3 * (len(parts) - 1))
    for part, axes in zip(parts, figure.subplots(len(parts), squeeze=False).flat, strict=True):
        _tasks_row(axes, part, rows)
    legend(figure, *figure.axes[0].get_legend_handles_labels())
    footer(figure, _about(scores, ()))
    return figure


THINNEST = 3.0  # points of a bar
WORD = 30.0  # points of the title of a task
LEAST = 22.5  # points of one in two lines


def _rows_of_bars(figure: Figure, runs: int, columns: Columns) -> list[Columns]:
    """The columns of each row of bars, so few that bars and titles have room."""
    width = points(figure) - WORD
    most = max(1, int(min(width * BARS / (THINNEST * runs), width / (LEAST * scale()))))
    count = math.ceil(len(columns) / most)
    each = math.ceil(len(columns) / count)
    return [columns[place : place + each] for place in range(0, len(columns), each)]


def _tasks_row(
    axes: Axes, columns: Columns, rows: Sequence[tuple[str, Mapping[str, Estimate]]]
) -> None:
    places = {column: float(place) for place, (column, _) in enumerate(columns)}
    named = {column for column, _ in columns}
    grouped(
        axes,
        places,
        [(name, {c: e for c, e in cells.items() if c in named}) for name, cells in rows],
    )
    narrow = points(cast("Figure", axes.figure)) / len(columns) < 1.5 * WORD
    titles = [title.replace(" ", "\n") if narrow else title for _, title in columns]
    axes.set_xticks(range(len(columns)), titles)
    axes.set_xlim(-0.6, len(columns) - 0.4)
    if columns[0][0] == OVERALL and len(columns) > 1:
        axes.axvline(0.5, color=FAINT, lw=0.5)
    axes.set_ylabel("Score (%)")


BARS = 0.8  # the part of the axis that bars take; gaps take the rest


def grouped(
    axes: Axes,
    columns: Mapping[str, float],
    rows: Sequence[tuple[str, Mapping[str, Estimate]]],
) -> None:
    """Draw the bars of each column side by side, each with its interval."""
    width = BARS / len(rows)
    for number, (name, cells) in enumerate(rows):
        drawn, present = look(number), [column for column in columns if column in cells]
        shift = (number - (len(rows) - 1) / 2) * width
        at = [columns[column] + shift for column in present]
        means = [cells[column].mean for column in present]
        axes.bar(
            at, means, width * 0.92, color=drawn.colour, hatch=drawn.hatch, label=shortened(name)
        )
        bounds = (
            [cells[column].low for column in present],
            [cells[column].high for column in present],
        )
        whiskers(axes, at, means, bounds, lw=0.8, capsize=1.5)
    tops = [
        cell.mean if math.isnan(cell.high) else cell.high for _, c in rows for cell in c.values()
    ]
    single = len(rows) == 1
    axes.set_ylim(0, min(112 if single else 104, (1.16 if single else 1.08) * max([10.0, *tops])))
    axes.tick_params(axis="x", length=0)
    if single:
        for column, cell in rows[0][1].items():
            _value(axes, columns[column], cell)


def _value(axes: Axes, place: float, cell: Estimate) -> None:
    """Print the mean above a single bar and its interval."""
    top = cell.mean if math.isnan(cell.high) else cell.high
    axes.annotate(
        f"{cell.mean:.1f}", (place, top), (0, 2), textcoords="offset points",
        ha="center", va="bottom", fontsize=TINY, bbox=CLEAR,
    )  # fmt: skip


def _about(scores: Sequence[Scores], published: Sequence[Published]) -> str:
    parts = [f"{basis(scores)} {INTERVALS}"] if scores else []
    if published:
        sources = list(dict.fromkeys(row.source for row in published))
        named = f" ({', '.join(sources)})" if len(sources) <= 4 else ""
        parts.append(f"Published averages on VSI-Bench as printed{named}, without intervals.")
    return " ".join(parts)


DATASETS = {"scannet": "ScanNet", "scannetpp": "ScanNet++", "arkitscenes": "ARKitScenes"}
ROOM = "room_size_estimation"
SIZES = ("small", "medium", "large")


@styled
def by_dataset(runs: Sequence[Run], protocol: Protocol) -> Figure:
    """The average score on the videos of each data set, named before the `/` of the video.

    DataError if the videos' names have no data set in them; ValueError for no run.
    """
    groups = {
        video: DATASETS.get(name, printable(name))
        for run in runs
        for video in _videos(run, protocol)
        for name, slash, _ in [video.partition("/")]
        if slash
    }
    if not groups:
        raise DataError("The names of these videos do not name their data sets.")
    return _bars(runs, protocol, groups, says="Average score by data set")


@styled
def by_room_size(runs: Sequence[Run], protocol: Protocol) -> Figure:
    """The average score in small, medium and large rooms: thirds of the videos by floor area.

    The area is the ground truth of a video's room-size question; videos without one are left out.
    DataError if fewer than three videos have one; ValueError for no run.
    """
    areas = {
        p.question.video: float(p.question.answer)
        for run in runs
        for p in run.predictions
        if p.question.task == ROOM
    }
    if len(areas) < len(SIZES):
        raise DataError("Fewer than three of these videos have a question about the room's size.")
    edges = np.quantile(list(areas.values()), [1 / 3, 2 / 3])
    words = (f"small\n≤ {edges[0]:.1f} m²", "medium", f"large\n> {edges[1]:.1f} m²")
    groups = {
        video: words[int(np.searchsorted(edges, area))]
        for video, area in sorted(areas.items(), key=lambda item: item[1])
    }
    return _bars(runs, protocol, groups, says="Average score by the size of the room")


def _videos(run: Run, protocol: Protocol) -> list[str]:
    return [grade.video for grade in run.grades(protocol)]


def _bars(
    runs: Sequence[Run], protocol: Protocol, groups: Mapping[str, str], *, says: str
) -> Figure:
    names = list(dict.fromkeys(groups.values()))
    kinds, rest = _comparable(runs, protocol, groups)
    scored = [{n: _within(run, protocol, groups, n, kinds) for n in names} for run in runs]
    figure = blank(COLUMN, 2.0, says=says)
    axes = figure.add_subplot()
    rows = [
        (
            run.name,
            {name: group_scores.overall for name, group_scores in one.items() if group_scores},
        )
        for run, one in zip(runs, scored, strict=True)
    ]
    grouped(axes, {name: float(place) for place, name in enumerate(names)}, rows)
    cells = {name: [one[name] for one in scored] for name in names}
    axes.set_xticks(range(len(names)), [f"{name}\n{_size(cells[name])}" for name in names])
    axes.set_ylabel("Average score (%)")
    legend(figure, *axes.get_legend_handles_labels())
    left_out = sum(v not in groups for v in set(_videos(runs[0], protocol)))
    strangers = f" {counted(left_out, 'video')} in no group." if left_out else ""
    lacking = f" Left out, for not every group has such questions: {', '.join(rest)}."
    text = f"Protocol {protocol.name}. {INTERVALS}{strangers}{lacking if rest else ''}"
    footer(figure, text)
    return figure


def _comparable(
    runs: Sequence[Run], protocol: Protocol, groups: Mapping[str, str]
) -> tuple[set[str], list[str]]:
    """The question types that every group has, over which averages are taken, and the others."""
    kinds: dict[str, set[str]] = {}
    for run in runs:
        for grade in run.grades(protocol):
            if grade.video in groups:
                kinds.setdefault(groups[grade.video], set()).add(grade.task)
    common = set.intersection(*kinds.values()) if kinds else set()
    if not common:
        raise DataError("No question type occurs in all of these groups of videos.")
    every = set.union(*kinds.values())
    return common, [kind for kind in runs[0].rubric.types if kind in every - common]


def _within(
    run: Run, protocol: Protocol, groups: Mapping[str, str], name: str, kinds: Collection[str]
) -> Scores | None:
    grades = [g for g in run.grades(protocol) if groups.get(g.video) == name and g.task in kinds]
    return score_run(grades, model=run.name, rubric=run.rubric) if grades else None


def _size(group_scores: Sequence[Scores | None]) -> str:
    present = [scores.overall for scores in group_scores if scores]
    return f"{spread(e.count for e in present)} q., {spread(e.clusters for e in present)} v."
