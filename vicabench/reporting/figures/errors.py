"""How wrong numbers are, and in which direction: answer divided by truth, on a log axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from vicabench.errors import DataError
from vicabench.grading.protocols import Protocol
from vicabench.reporting.figures.style import (
    COLUMN,
    INK,
    PALE,
    TINY,
    blank,
    footer,
    legend,
    look,
    shortened,
    styled,
)
from vicabench.results import Run
from vicabench.shares import median_of
from vicabench.types import ANSWERED, NUMERIC, TASK_OF_TYPE, TASKS, Task

BINS = [float(2.0**place) for place in np.linspace(-4, 4, 33)]
"""Edges in quarters of an octave; what lies beyond is drawn in the outermost bins."""
TICKS = {1 / 16: "1/16", 1 / 4: "1/4", 1: "1", 4: "4", 16: "16"}


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """Answers to one task divided by their truths; `missing` are the questions without a number."""

    ratios: tuple[float, ...]
    videos: tuple[str, ...]
    missing: int


@styled
def errors(runs: Sequence[Run], protocol: Protocol) -> Figure:
    """A panel a numeric task: the distribution of answer / truth, one outline a run.

    To the left of 1 a model underestimates, to the right it overestimates. Each panel says the
    median with its interval, and how many questions gave no number. ValueError for no run,
    DataError for runs without a numeric question.
    """
    if not runs:
        raise ValueError("there is nothing to draw: no runs")
    tasks = [task for task in TASKS if task.kind == NUMERIC]
    if not any(TASK_OF_TYPE[g.task].kind == NUMERIC for run in runs for g in run.grades(protocol)):
        raise DataError("These runs hold no question that is answered with a number.")
    lines = 1 + len(runs)
    figure = blank(COLUMN, 2.2 + 0.18 * lines, says="Numeric answers divided by the truth")
    panels = figure.subplots(2, 2, sharex=True)
    for task, axes in zip(tasks, panels.flat, strict=True):
        found = [ratios_of(run, protocol, task) for run in runs]
        _panel(axes, task, found)
    figure.supylabel("Share of numeric answers (%)", fontsize=TINY + 0.5)
    for axes in panels[1]:
        axes.set_xlabel("answer / truth")
    if len(runs) > 1:
        # Not from a panel: a run without a number there has no line in it.
        looks = [look(place) for place in range(len(runs))]
        handles = [Line2D([], [], color=drawn.colour, ls=drawn.line) for drawn in looks]
        legend(figure, handles, [shortened(run.name) for run in runs])
    footer(figure, _about(runs, protocol, tasks))
    return figure


def ratios_of(run: Run, protocol: Protocol, task: Task) -> Ratios:
    """Every number that was read in this run's answers to the task, over its (positive) truth."""
    truths = {p.question.id: float(p.question.answer) for p in _about_task(run, task)}
    grades = [g for g in run.grades(protocol) if g.task in task.types]
    read = [g for g in grades if g.outcome == ANSWERED and g.read and truths[g.id] > 0]
    return Ratios(
        ratios=tuple(float(g.read or 0) / truths[g.id] for g in read),
        videos=tuple(g.video for g in read),
        missing=len(grades) - len(read),
    )


def _about_task(run: Run, task: Task) -> list[Any]:
    return [p for p in run.predictions if p.question.task in task.types]


def _panel(axes: Axes, task: Task, found: Sequence[Ratios]) -> None:
    notes = []
    for place, one in enumerate(found):
        drawn = look(place)
        if one.ratios:
            clipped = np.clip(one.ratios, BINS[0], BINS[-1] * 0.999)
            weights = np.full(len(one.ratios), 100 / len(one.ratios))
            if len(found) == 1:
                axes.hist(clipped, BINS, weights=weights, color=PALE)
            axes.hist(
                clipped, BINS, weights=weights, histtype="step", color=drawn.colour,
                ls=drawn.line, lw=1.0, label=str(place),
            )  # fmt: skip
        notes.append(_note(one))
    axes.axvline(1, color=INK, lw=0.7)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(list(TICKS)))
    axes.xaxis.set_major_formatter(FixedFormatter(list(TICKS.values())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title("\n".join([task.title, *notes]), fontsize=TINY - 0.5)


def _note(one: Ratios) -> str:
    """The median with its interval, and the questions without a number."""
    if not one.ratios:
        return f"no numbers; {one.missing} none"
    median, low, high = median_of(one.ratios, one.videos)
    ends = "[n/a]" if math.isnan(low) else f"[{low:.2f}, {high:.2f}]"
    return f"median {median:.2f} {ends}; {one.missing} none"


def _about(runs: Sequence[Run], protocol: Protocol, tasks: Sequence[Task]) -> str:
    names = {kind for task in tasks for kind in task.types}
    asked = [[g for g in run.grades(protocol) if g.task in names] for run in runs]
    counts = ", ".join(dict.fromkeys(f"{len(a):,}" for a in asked))
    videos = ", ".join(dict.fromkeys(f"{len({g.video for g in a}):,}" for a in asked))
    return (
        f"n = {counts} numeric questions in {videos} videos; protocol {protocol.name}. Medians "
        "with 95% intervals over videos; none: questions without a readable number. Beyond 1/16 "
        "and 16: in the outermost bins."
    )
