"""Whether a model prefers a letter: the letters it gives against those that are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vicabench.errors import DataError
from vicabench.harnesses.protocols import Protocol
from vicabench.reporting.figures.basis import INTERVALS
from vicabench.reporting.figures.style import (
    COLUMN,
    INK,
    TINY,
    blank,
    footer,
    legend,
    look,
    shortened,
    styled,
)
from vicabench.reporting.figures.whiskers import whiskers
from vicabench.results.run import Run
from vicabench.scoring.stats import shares_of
from vicabench.text import counted, printable
from vicabench.types import ANSWERED, CHOICE, QUESTION_TYPES, TASK_OF_TYPE

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
    """A panel a type of multiple-choice question: how often each letter is right, and given.

    The share of letters among the readable answers, with intervals; a preference shows as
    bars that leave the dashes. ValueError for no run,
    DataError where nothing is multiple choice.
    """
    if not runs:
        raise ValueError("there is nothing to draw: no runs")
    kinds = [kind for kind in QUESTION_TYPES if TASK_OF_TYPE[kind].kind == CHOICE]
    if not any(p.question.task in kinds for p in runs[0].predictions):
        raise DataError(f"{runs[0].name} holds no reply to a multiple-choice question.")
    figure = blank(COLUMN, 3.0, says="Letters given against letters right")
    panels = figure.subplots(3, 2, sharey=True)
    for kind, axes in zip(kinds, panels.flat, strict=True):
        _panel(axes, kind, runs, protocol)
    figure.supylabel("Share of letters (%)", fontsize=TINY + 0.5)
    legend(figure, *panels[0, 0].get_legend_handles_labels())
    footer(figure, _about(runs, protocol, kinds))
    return figure


def _panel(axes: Axes, kind: str, runs: Sequence[Run], protocol: Protocol) -> None:
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
    axes.set_title(f"{TITLES[kind]}, n = {len(asked):,}", fontsize=TINY + 0.5)


def _about(runs: Sequence[Run], protocol: Protocol, kinds: Sequence[str]) -> str:
    grades = [g for g in runs[0].grades(protocol) if g.task in kinds]
    silent = [
        sum(g.outcome != ANSWERED for g in run.grades(protocol) if g.task in kinds) for run in runs
    ]
    return (
        f"n = {counted(len(grades), 'multiple-choice question')} in "
        f"{counted(len({g.video for g in grades}), 'video')}; protocol {protocol.name}. Without a "
        f"readable letter, left out: {', '.join(f'{count:,}' for count in silent)}. {INTERVALS}"
    )
