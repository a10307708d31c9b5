"""Ranks with their intervals, best on top."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from vicabench.errors import DataError
from vicabench.harnesses.protocols import Protocol
from vicabench.reporting.figures.added import figure_of_runs
from vicabench.reporting.figures.style import (
    COLUMN,
    FAINT,
    INK,
    TINY,
    basis,
    blank,
    footer,
    shortened,
)
from vicabench.results.run import Run
from vicabench.scoring.ranks import member_of, ranks_of


@figure_of_runs
def ranks(runs: Sequence[Run], protocol: Protocol) -> Figure:
    """The rank of each run by the headline score, with simultaneous 95% intervals."""
    if len(runs) < 2:
        raise DataError("Ranks need at least two runs.")
    standing = ranks_of(
        [member_of(r.name, r.asked_grades(protocol), r.rubric_for(protocol)) for r in runs]
    )
    figure = blank(COLUMN, 0.75 + 0.17 * len(standing), says="Ranks with their intervals")
    axes = figure.add_subplot()
    for row, each in enumerate(standing):
        axes.plot([each.low, each.high], [row, row], color=FAINT, lw=3.5, solid_capstyle="round")
        axes.plot(each.place, row, marker="o", color=INK, ms=3.5)
        axes.annotate(
            f"{each.score:.1f}", (1.01, row), xycoords=("axes fraction", "data"),
            va="center", fontsize=TINY,
        )  # fmt: skip
    axes.set_yticks(range(len(standing)), [shortened(each.name) for each in standing])
    axes.set_ylim(len(standing) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0.5, len(standing) + 0.5)
    axes.set_xticks(range(1, len(standing) + 1))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"Rank by {runs[0].rubric_for(protocol).headline.title}")
    footer(
        figure,
        f"{basis([run.scores(protocol) for run in runs])} Bars: simultaneous 95% intervals of the "
        "ranks, from paired permutation tests of all pairs over videos (Holm).",
    )
    return figure
