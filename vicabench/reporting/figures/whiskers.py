"""Intervals as whiskers that can be seen on a bar of any colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from vicabench.reporting.figures.style import INK
from vicabench.scoring.stats import Floats


def whiskers(
    axes: Axes,
    at: ArrayLike,
    means: ArrayLike,
    bounds: tuple[ArrayLike, ArrayLike],
    *,
    across: bool = False,
    **line: Any,
) -> None:
    """Draw from each lower to each upper bound, `across` to the right instead of upwards.

    Where there is no interval (NaN) nothing is drawn.
    """
    arms_2N = arms(means, *bounds)
    if across:
        drawn = axes.errorbar(means, at, xerr=arms_2N, fmt="none", color=INK, **line)
    else:
        drawn = axes.errorbar(at, means, yerr=arms_2N, fmt="none", color=INK, **line)
    _, caps, lines = drawn.lines
    for cap in caps:
        cap.set_zorder(lines[0].get_zorder() - 0.1)  # its rim must not part it from its line
    for part in (*caps, *lines):
        part.set_path_effects([withStroke(linewidth=line["lw"] + 0.9, foreground="white")])


def arms(means: ArrayLike, lows: ArrayLike, highs: ArrayLike) -> Floats:
    """How far intervals reach below and above their means: [2, N].

    NaN stays NaN: a whisker of no length would look like certainty.
    """
    mean_N, low_N, high_N = (np.atleast_1d(v).astype(np.float64) for v in (means, lows, highs))
    # A percentile interval need not hold the mean; matplotlib wants no negative arms.
    return np.maximum(0.0, np.stack([mean_N - low_N, high_N - mean_N]))
