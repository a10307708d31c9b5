"""Errors of numeric answers, and preferences for letters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from vicabench.errors import DataError, counted, printable
from vicabench.harnesses.protocols import Protocol
from vicabench.metrics import CHOICE, NUMERIC
from vicabench.reporting.figures.style import (
    COLUMN,
    HOW,
    INK,
    INTERVALS,
    PALE,
    TINY,
    arms,
    blank,
    footer,
    grow,
    legend,
    look,
    points,
    shortened,
    spread,
    styled,
    whiskers,
)
from vicabench.results.run import Run
from vicabench.rubric import VSI, Task
from vicabench.scoring.stats import median_of, shares_of
from vicabench.types import ANSWERED

BINS = [float(2.0**place) for place in np.linspace(-4.125, 4.125, 34)]
"""Edges in quarters of an octave, exact answers in the middle of their bin: it leans to neither
side. What lies beyond is drawn in the outermost bins."""
LINE = 0.11
"""Height in inches of the median line of one of several runs."""
TICKS = {1 / 16: "1/16", 1 / 4: "1/4", 1: "1", 4: "4", 16: "16"}


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """Answers to one task divided by the truth; `missing` counts questions without a number."""

    ratios: tuple[float, ...]
    videos: tuple[str, ...]
    missing: int


@styled
def errors(runs: Sequence[Run], protocol: Protocol) -> Figure:
    """One panel per numeric task: the distribution of answer / truth, one outline per run.

    To the left of 1 a model underestimates, to the right it overestimates. Each panel says the
    median with its interval (over the outlines, if there are several), and how many questions
    gave no number. ValueError for no run, DataError for runs without a number to draw.
    """
    if not runs:
        raise ValueError("nothing to draw: no runs")
    asked = {g.task for run in runs for g in run.grades(protocol)}
    rubric = runs[0].rubric
    tasks = [t for t in rubric.tasks if t.kind == NUMERIC and (rubric == VSI or asked & {*t.types})]
    if not any(asked & {*task.types} for task in tasks):
        raise DataError("These runs have no numeric questions.")
    ratios = {task.name: [ratios_of(run, protocol, task) for run in runs] for task in tasks}
    if not any(one.ratios for of_task in ratios.values() for one in of_task):
        raise DataError("No answer in these runs could be read as a number.")
    height = 2.5 + 2 * LINE * (len(runs) - 1)
    figure = blank(COLUMN, height, says="Numeric answers divided by the truth")
    down, across = math.ceil(len(tasks) / 2), min(2, len(tasks))
    if down != 2:
        grow(figure, (height - 0.5) * (down - 2) / 2)
    panels = figure.subplots(down, across, sharex=True, squeeze=False)
    for axes in panels.flat[len(tasks) :]:
        axes.set_axis_off()
    for task, axes in zip(tasks, panels.flat, strict=False):
        _panel(axes, task, ratios[task.name])
    figure.supylabel("Share of numeric answers (%)", fontsize=TINY + 0.5)
    for axes in panels[-1]:
        axes.set_xlabel("answer / truth")
    if len(runs) > 1:
        # Not from a panel: a run without a number there has no line in it.
        looks = [look(place) for place in range(len(runs))]
        handles = [
            Line2D([], [], color=drawn.colour, ls=drawn.line, marker=drawn.marker)
            for drawn in looks
        ]
        legend(figure, handles, [shortened(run.name) for run in runs])
    footer(figure, _about(runs, protocol, tasks))
    return figure


def ratios_of(run: Run, protocol: Protocol, task: Task) -> Ratios:
    """Every number read from this run's answers to the task, divided by its positive truth."""
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


def _panel(axes: Axes, task: Task, ratios: Sequence[Ratios]) -> None:
    peak = max((_outline(axes, one, place, len(ratios)) for place, one in enumerate(ratios)))
    axes.axvline(1, color=INK, lw=0.7)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(list(TICKS)))
    axes.xaxis.set_major_formatter(FixedFormatter(list(TICKS.values())))
    axes.xaxis.set_minor_locator(NullLocator())
    if len(ratios) > 1:
        _medians(axes, ratios, peak or 1.0)
    title = f"{task.title}{_note(ratios[0])}" if len(ratios) == 1 else task.title
    axes.set_title(title, fontsize=TINY)


def _outline(axes: Axes, one: Ratios, place: int, runs: int) -> float:
    """Draw a run's distribution; returns the share in its largest bin, 0 without numbers."""
    if not one.ratios:
        return 0.0
    drawn = look(place)
    clipped = np.clip(one.ratios, BINS[0], BINS[-1] * 0.999)
    weights = np.full(len(one.ratios), 100 / len(one.ratios))
    if runs == 1:
        axes.hist(clipped, BINS, weights=weights, color=PALE)
    shares, _, _ = axes.hist(
        clipped, BINS, weights=weights, histtype="step", color=drawn.colour,
        ls=drawn.line, lw=1.0, label=str(place),
    )  # fmt: skip
    return float(np.max(shares))


def _medians(axes: Axes, ratios: Sequence[Ratios], peak: float) -> None:
    """Draw one line per run above the outlines: its median with interval, and missing numbers."""
    room = 0.65 + LINE * len(ratios)  # inches of a panel
    line = peak * LINE / (room - LINE * len(ratios) - 0.1)
    axes.set_ylim(0, peak + line * (len(ratios) + 0.8))
    axes.set_yticks([tick for tick in MaxNLocator(3).tick_values(0, peak) if tick <= peak])
    for place, one in enumerate(ratios):
        drawn, at = look(place), peak + line * (len(ratios) - place - 0.2)
        words: dict[str, Any] = {"fontsize": TINY - 0.5, "va": "center_baseline", "color": INK}
        if one.missing:
            axes.text(BINS[0], at, f"{one.missing:,} none", ha="left", **words)
        if one.ratios:
            median, low, high = median_of(one.ratios, one.videos)
            axes.errorbar(
                [median], [at], xerr=arms(median, low, high), color=drawn.colour,
                marker=drawn.marker, ms=2.6, lw=1.0, capsize=1.5,
            )  # fmt: skip
            axes.text(BINS[-1], at, f"{median:.2f}", ha="right", **words)


def _note(one: Ratios) -> str:
    """The questions without a number and, on a second line, the median with its interval."""
    silent = f", {one.missing:,} none" if one.missing else ""
    if not one.ratios:
        return f"{silent}\nno numbers"
    median, low, high = median_of(one.ratios, one.videos)
    ends = "[n/a]" if math.isnan(low) else f"[{low:.2f}, {high:.2f}]"
    return f"{silent}\nmedian {median:.2f} {ends}"


def _about(runs: Sequence[Run], protocol: Protocol, tasks: Sequence[Task]) -> str:
    names = {kind for task in tasks for kind in task.types}
    asked = [[g for g in run.grades(protocol) if g.task in names] for run in runs]
    counts = spread((len(a) for a in asked), "numeric question")
    videos = spread((len({g.video for g in a}) for a in asked), "video")
    return (
        f"n = {counts} in {videos}; protocol {protocol.name}. Medians "
        f"with intervals ({HOW}); “none”: questions without a readable number. "
        "Beyond 1/16 and 16: in the outermost bins."
    )


PANEL = 18.0  # points that a run takes in a panel of letters
TITLES = {
    "object_rel_distance": "Rel. Dist.",
    "object_rel_direction_easy": "Rel. Dir., easy",
    "object_rel_direction_medium": "Rel. Dir., medium",
    "object_rel_direction_hard": "Rel. Dir., hard",
    "route_planning": "Route Plan",
    "obj_appearance_order": "Appr. Order",
}


@styled
def letters(runs: Sequence[Run], protocol: Protocol) -> Figure:
    """One panel per type of multiple choice: how often each letter is right, and answered.

    The share of letters among the readable answers, with intervals; a preference shows as
    bars that leave the dashes. ValueError for no run,
    DataError where nothing is multiple choice.
    """
    if not runs:
        raise ValueError("nothing to draw: no runs")
    of_type, asked = runs[0].rubric.of_type, {g.task for g in runs[0].grades(protocol)}
    kinds = [
        kind
        for kind, task in of_type.items()
        if task.kind == CHOICE and (runs[0].rubric == VSI or kind in asked)
    ]
    if not any(p.question.task in kinds for p in runs[0].predictions):
        raise DataError(f"{runs[0].name} holds no reply to a multiple-choice question.")
    figure = blank(COLUMN, 3.0, says="Letters given against letters right")
    across = max(1, min(3, int(points(figure) / (PANEL * max(6, len(runs))))))
    grow(figure, len(kinds) / across - 3)
    down = math.ceil(len(kinds) / across)
    panels = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes in panels.flat[len(kinds) :]:
        axes.set_axis_off()
    for kind, axes in zip(kinds, panels.flat, strict=False):
        _letters_panel(axes, kind, runs, protocol)
    figure.supylabel("Share of letters (%)", fontsize=TINY + 0.5)
    legend(figure, *panels[0, 0].get_legend_handles_labels())
    footer(figure, _about_letters(runs, protocol, kinds))
    return figure


def _letters_panel(axes: Axes, kind: str, runs: Sequence[Run], protocol: Protocol) -> None:
    asked = [p.question for p in runs[0].predictions if p.question.task == kind]
    among = sorted({q.answer for q in asked} | {o[0] for q in asked for o in q.options if o})
    width = 0.8 / len(runs)
    for number, run in enumerate(runs):
        read = [
            g for g in run.grades(protocol) if g.task == kind and g.outcome == ANSWERED and g.read
        ]
        shares = shares_of([str(g.read).upper() for g in read], [g.video for g in read], among)
        at = np.arange(len(among)) + (number - (len(runs) - 1) / 2) * width
        means, low, high = np.array(shares).reshape(-1, 3).T
        drawn = look(number)
        axes.bar(
            at, means, width * 0.92, color=drawn.colour, hatch=drawn.hatch,
            label="given" if len(runs) == 1 else shortened(run.name, 26),
        )  # fmt: skip
        whiskers(axes, at, means, (low, high), lw=0.7, capsize=1.2)
    truths = [100 * sum(q.answer == letter for q in asked) / len(asked) for letter in among]
    axes.hlines(
        truths, np.arange(len(among)) - 0.46, np.arange(len(among)) + 0.46,
        color=INK, lw=1.1, ls=(0, (2, 1)), label="right",
    )  # fmt: skip
    axes.set_xticks(range(len(among)), list(map(printable, among)))
    axes.tick_params(axis="x", length=0)
    axes.set_title(f"{_title(runs[0], kind)}, n = {len(asked):,}", fontsize=TINY + 0.5)


def _title(run: Run, kind: str) -> str:
    task = run.rubric.of_type[kind]
    return TITLES.get(kind) or (task.title if len(task.types) == 1 else kind)


def _about_letters(runs: Sequence[Run], protocol: Protocol, kinds: Sequence[str]) -> str:
    grades = [g for g in runs[0].grades(protocol) if g.task in kinds]
    silent = [
        sum(g.outcome != ANSWERED for g in run.grades(protocol) if g.task in kinds) for run in runs
    ]
    return (
        f"n = {counted(len(grades), 'multiple-choice question')} in "
        f"{counted(len({g.video for g in grades}), 'video')}; protocol {protocol.name}. Without a "
        f"readable letter, left out: {', '.join(f'{count:,}' for count in silent)}. {INTERVALS}"
    )
