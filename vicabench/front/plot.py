"""Figures of runs: every kind that the commands draw, as matplotlib objects.

Sizes fit one column or the full width of a paper. The functions share these arguments:

- `runs`: runs, or paths of run folders or predictions files.
- `protocol`: the grading protocol of the scores.
- `published`: whether published rows or curves of VSI-Bench are drawn beside the runs.
- `ax`: the Axes to replace by the drawing; by default a new figure is made.

Each returns the Figure, which notebooks show; with `ax`, it returns the Axes that replace it, as a
list if the figure has several panels. Each raises ConfigError for an unknown protocol, objects that
are not runs, runs on different questions, or published rows that are not comparable with the runs;
and DataError for runs that have no data for the figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vicabench.curves.measure import Series, measure
from vicabench.curves.series import placed
from vicabench.errors import ConfigError, DataError
from vicabench.front.compare import paired_runs, runs_of
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.reference import Published, curves, is_vsi_bench, published_rows, thinking_curve
from vicabench.reporting import figures
from vicabench.reporting.figures.added import added_figures
from vicabench.reporting.figures.style import drawn_into
from vicabench.results.alike import check_alike, in_natural_order
from vicabench.results.run import Run
from vicabench.types import Scores

__all__ = [
    "adoption",
    "averages",
    "curve",
    "curve_tasks",
    "datasets",
    "differences",
    "errors",
    "letters",
    "radar",
    "rooms",
    "save",
    "tasks",
]

Given = Sequence[Run | str | Path]
Drawn = Figure | Axes | list[Axes]
OFFICIAL = "official"
save = figures.save


def averages(
    runs: Given, *, protocol: str = OFFICIAL, published: bool = False, ax: Axes | None = None
) -> Drawn:
    """Averages as bars, best on top; with `published`, published rows of VSI-Bench too."""

    def draw(loaded: Sequence[Run], rule: Protocol) -> Figure:
        scores = [run.scores(rule) for run in loaded]
        rows = _published(loaded, scores) if published else ()
        return figures.averages(scores, rows)

    return _of_runs(runs, protocol, ax, draw)


def tasks(runs: Given, *, protocol: str = OFFICIAL, ax: Axes | None = None) -> Drawn:
    """Scores of every task with their intervals."""
    return _of_runs(runs, protocol, ax, lambda rs, p: figures.tasks([r.scores(p) for r in rs]))


def radar(runs: Given, *, protocol: str = OFFICIAL, ax: Axes | None = None) -> Drawn:
    """Task scores as a radar chart."""
    return _of_runs(runs, protocol, ax, lambda rs, p: figures.radar([r.scores(p) for r in rs]))


def errors(runs: Given, *, protocol: str = OFFICIAL, ax: Axes | None = None) -> Drawn:
    """Distributions of numeric answers divided by the ground truth."""
    return _of_runs(runs, protocol, ax, figures.errors)


def letters(runs: Given, *, protocol: str = OFFICIAL, ax: Axes | None = None) -> Drawn:
    """Answered letters against correct letters."""
    return _of_runs(runs, protocol, ax, figures.letters)


def datasets(runs: Given, *, protocol: str = OFFICIAL, ax: Axes | None = None) -> Drawn:
    """The average per data set."""
    return _of_runs(runs, protocol, ax, figures.by_dataset)


def rooms(runs: Given, *, protocol: str = OFFICIAL, ax: Axes | None = None) -> Drawn:
    """The average by room size."""
    return _of_runs(runs, protocol, ax, figures.by_room_size)


def differences(runs: Given, *, protocol: str = OFFICIAL, ax: Axes | None = None) -> Drawn:
    """Paired differences of each run from the first."""
    return _of_runs(runs, protocol, ax, _forest)


def curve(
    runs: Given, *, protocol: str = OFFICIAL, published: bool = False, ax: Axes | None = None
) -> Drawn:
    """The average over the share of the training data, which is read from the models' names."""

    def draw(loaded: Sequence[Run], rule: Protocol) -> Figure:
        series = _series(loaded, rule)
        names = {one.name for one in series} if published else set()
        return figures.curve(series, [c for c in curves() if c.series in names])

    return _of_runs(runs, protocol, ax, draw, alike=False)


def curve_tasks(runs: Given, *, protocol: str = OFFICIAL, ax: Axes | None = None) -> Drawn:
    """Every task over the share of the training data."""
    return _of_runs(
        runs, protocol, ax, lambda rs, p: figures.curve_tasks(_series(rs, p)), alike=False
    )


def adoption(
    runs: Given, *, protocol: str = OFFICIAL, published: bool = False, ax: Axes | None = None
) -> Drawn:
    """The kinds of replies of one Thinking series over its training."""

    def draw(loaded: Sequence[Run], rule: Protocol) -> Figure:
        series = _series(loaded, rule)
        if len(series) != 1:
            raise ConfigError(f"The runs belong to {len(series)} series; this figure shows one.")
        if not any(point.adoption for point in series[0].points):
            raise DataError("None of these runs holds replies of a Thinking model.")
        return figures.adoption(series[0], thinking_curve() if published else ())

    return _of_runs(runs, protocol, ax, draw, alike=False)


def __getattr__(name: str) -> Callable[..., Drawn]:
    draw = added_figures().get(name)
    if draw is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def drawn(runs: Given, *, protocol: str = OFFICIAL, ax: Axes | None = None) -> Drawn:
        return _of_runs(runs, protocol, ax, draw)

    drawn.__doc__ = draw.__doc__
    return drawn


def _of_runs(
    runs: Given,
    protocol: str,
    ax: Axes | None,
    draw: Callable[[Sequence[Run], Protocol], Figure],
    *,
    alike: bool = True,
) -> Drawn:
    """Draw runs; `alike` requires that they have the same questions."""
    rule, loaded = find_protocol(protocol), runs_of(runs)
    if alike:
        check_alike(
            loaded, advice="Draw vicabench.shared(runs) to compare the questions they share."
        )
    if draw is not _forest:  # where the first run is the reference
        loaded = in_natural_order(loaded)
    if ax is None:
        return draw(loaded, rule)
    position = ax.get_subplotspec()
    if position is None:
        raise ConfigError("ax is not part of a grid: create it with plt.subplots().")
    figure = cast("Figure", ax.figure)
    if figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    ax.remove()
    part = figure.add_subfigure(position)
    with drawn_into(part):
        draw(loaded, rule)
    return part.axes[0] if len(part.axes) == 1 else list(part.axes)


def _published(runs: Sequence[Run], scores: Sequence[Scores]) -> Sequence[Published]:
    """The published rows; ConfigError or DataError for runs that are not comparable with them."""
    for run in runs:
        if not is_vsi_bench(run.benchmark, run.questions):
            raise ConfigError(
                f"Published rows are for VSI-Bench, not comparable with {run.benchmark}. Leave "
                "them out (--published)."
            )
    missing = dict.fromkeys(task for row in scores for task in row.missing)
    if missing:
        raise DataError(
            f"The runs have no questions of {', '.join(missing)}, so their averages are not "
            "comparable with published ones. Leave out published rows (--published)."
        )
    return published_rows()


def _forest(runs: Sequence[Run], rule: Protocol) -> Figure:
    if len(runs) < 2:
        raise DataError("Differences need at least two runs.")
    first, others = runs[0], in_natural_order(runs[1:])
    return figures.differences([paired_runs(first, o, rule, shared=False).result for o in others])


def _series(runs: Sequence[Run], rule: Protocol) -> list[Series]:
    return [measure(name, by_percent, rule) for name, by_percent in placed(runs).items()]
