"""Figures that a file of this package adds: found by name, for `--kind` and `vicabench.plot`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from matplotlib.figure import Figure

from vicabench.harnesses.protocols import Protocol
from vicabench.reporting import figures
from vicabench.reporting.figures.style import styled
from vicabench.results.run import Run

Draw = Callable[[Sequence[Run], Protocol], Figure]
_ADDED: dict[str, Draw] = {}


def figure_of_runs(draw: Draw) -> Draw:
    """Offer a drawing function under its name: `--kind NAME` and `vicabench.plot.NAME`.

    The function gets runs that were asked the same questions, and raises DataError if they have
    nothing to show.
    """
    drawn = styled(draw)
    _ADDED[draw.__name__] = drawn
    return drawn


@cache
def added_figures() -> dict[str, Draw]:
    """All functions of this package that are marked `@figure_of_runs`, by name."""
    for module in iter_modules(figures.__path__, f"{figures.__name__}."):
        import_module(module.name)
    return dict(sorted(_ADDED.items()))
