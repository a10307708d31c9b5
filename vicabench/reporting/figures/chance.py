"""How far each task is from chance: runs, or guesses without sight, beside the level of chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vicabench.audits.result import Audit, chance_scores
from vicabench.audits.stress import CHANCE
from vicabench.errors import counted
from vicabench.harnesses.protocols import Protocol
from vicabench.reporting.figures.added import figure_of_runs
from vicabench.reporting.figures.style import (
    COLUMN,
    FAINT,
    INK,
    INTERVALS,
    PALE,
    basis,
    blank,
    footer,
    legend,
    look,
    shortened,
    styled,
    whiskers,
)
from vicabench.reporting.tables import columns_for, common_rubric, estimate_of
from vicabench.results.run import Run
from vicabench.types import Estimate, Scores

NAMES = {
    "frequent": "most frequent answer",
    "constant": "best constant",
    "random": "forest, random folds",
    "scene": "forest, scene folds",
}
_LINE = 0.105  # inches a mark takes


LEVEL = "Chance: an option, or an answer of the type, at random."


@figure_of_runs
def chance(runs: Sequence[Run], protocol: Protocol) -> Figure:
    """How far each task of the runs is from chance, with intervals."""
    scores = [run.scores(protocol) for run in runs]
    level = chance_scores(runs[0].questions, common_rubric(scores))
    return _drawn({row.model: row for row in scores}, level, f"{basis(scores)} {LEVEL} {INTERVALS}")


@styled
def audited_tasks(audited: Audit) -> Figure:
    """How far each task is from chance for guessers without sight, with intervals."""
    scores = audited.scores
    rows = {NAMES[name]: scores[name] for name in NAMES}
    if audited.blind is not None:
        rows[audited.blind.scores.model] = audited.blind.scores
    every = scores[CHANCE].overall
    asked, videos = counted(every.count, "question"), counted(every.clusters, "video")
    says = f"{audited.benchmark[0]}: n = {asked} in {videos}, guessed out of fold without sight."
    return _drawn(rows, scores[CHANCE], f"{says} {INTERVALS}")


def _drawn(rows: Mapping[str, Scores], level: Scores, note: str) -> Figure:
    columns = [
        (name, title)
        for name, title in columns_for(level.rubric)
        if estimate_of(level, name) is not None
    ]
    height = 0.5 + len(columns) * (0.1 + _LINE * len(rows))
    figure = blank(COLUMN, height, says="Every task beside chance, with 95% intervals")
    axes = figure.add_subplot()
    for place, (column, _) in enumerate(columns):
        known = {name: estimate_of(scores, column) for name, scores in rows.items()}
        _task(axes, -float(place), known, estimate_of(level, column))
    axes.set_yticks([-place for place in range(len(columns))], [title for _, title in columns])
    axes.set_ylim(0.55 - len(columns), 0.55)
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Score (%); the grey bar is the level of chance")
    handles = [_mark(axes, number, math.nan, math.nan) for number in range(len(rows))]
    legend(figure, handles, [shortened(name) for name in rows])
    footer(figure, note)
    return figure


def _task(
    axes: Axes, at: float, known: Mapping[str, Estimate | None], level: Estimate | None
) -> None:
    """The marks of a task, from top to bottom, and the bar up to its level of chance."""
    if level is not None:
        axes.barh(at, level.mean, 0.86, facecolor=PALE, ec="none", zorder=0.5)
        axes.plot([level.mean] * 2, [at - 0.43, at + 0.43], color=FAINT, lw=1.0, zorder=1)
    step = 0.8 / len(known)
    for number, estimate in enumerate(known.values()):
        if estimate is None:
            continue
        y = at + 0.4 - step * (number + 0.5)
        bounds = (estimate.low, estimate.high)
        whiskers(axes, y, estimate.mean, bounds, across=True, lw=0.8, capsize=0, zorder=2)
        _mark(axes, number, estimate.mean, y)


def _mark(axes: Axes, number: int, x: float, y: float) -> Line2D:
    """The mark of the guesser at this index."""
    seen = look(number)
    (line,) = axes.plot(
        [x], [y], seen.marker, color=seen.colour, markersize=3.6, mec=INK, mew=0.3, zorder=3
    )
    return line
