"""A saturating curve through the points of a series, and the gain of twice the data.

Two forms with three parameters each are fitted by least squares:

    exponential   s(x) = a - b exp(-x / c)
    power law     s(x) = a - b x^(-c)

with 0 <= a <= 100 (the ceiling), b >= 0 (more data never hurts) and c within the bounds below.
The form with the smaller sum of squared residuals is chosen; as both have three parameters, AIC
and BIC choose the same. For a given c the problem is linear in a and b, so only c is searched:
on a grid for the resamples, and from there to convergence for the curve itself. The interval
comes from refitting every resample of the videos, including the choice of the form. It covers
the sampling of the questions, but neither the variation between training runs nor whether the
form holds beyond the data.

Shapes: P points, R resamples, X places where the curve is evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from vicabench.scoring.stats import Floats, interval_of

FEWEST = 5
"""The fewest points for a fit: three parameters, and two degrees of freedom for the residuals."""
CEILING = 100.0
STEPS = 120


@dataclass(frozen=True, kw_only=True)
class Form:
    """A family of curves `a - b * shape(x, c)`, with the bounds of c."""

    name: str
    formula: str
    shape: Callable[[Floats, float], Floats]
    bounds: tuple[float, float]

    @property
    def grid(self) -> Floats:
        """Values of c, evenly spaced on a logarithmic scale."""
        return np.geomspace(*self.bounds, STEPS)


FORMS = (
    Form(
        name="exponential",
        formula="a − b·exp(−x/c)",
        shape=lambda x, c: np.exp(-x / c),
        bounds=(2.0, 400.0),
    ),
    Form(
        name="power law",
        formula="a − b·x^(−c)",
        shape=lambda x, c: x**-c,
        bounds=(0.05, 3.0),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Bounded:
    """A number with its 95% interval, in points of the score."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The fitted curve with its parameters, its band, and the gain from twice the data.

    `percent_X` runs from the first point to twice the last; `rmse` is the root mean square
    residual in points. `doubled` is s(2 x) - s(x) at the last point.
    """

    form: str
    formula: str
    parameters: Mapping[str, float]
    rmse: float
    percent_X: tuple[float, ...]
    score_X: tuple[float, ...]
    low_X: tuple[float, ...]
    high_X: tuple[float, ...]
    doubled: Bounded


def fit(percent_P: Floats, score_P: Floats, drawn_RP: Floats, clusters: int) -> Fit | None:
    """Fit the curve to scores in [0, 100] and, for its intervals, to each resample of them.

    `clusters` is the number of videos. A point at 0%, before any training, is not used.

    Returns:
        None for fewer than `FEWEST` points, or if the best curve is level: the forms cannot fall,
        so for falling scores they would predict a gain of 0 with an interval of zero width.
    """
    trained = percent_P > 0
    percent_P, score_P, drawn_RP = percent_P[trained], score_P[trained], drawn_RP[:, trained]
    if len(percent_P) < FEWEST:
        return None
    last = percent_P[-1]
    places_X = np.concatenate([np.linspace(percent_P[0], 2 * last, 79), [last]])
    places_X.sort()
    form, c, a, b = min(
        (_converged(f, percent_P, score_P) for f in FORMS), key=lambda candidate: candidate[0]
    )[1]
    if b == 0:
        return None
    curve_X = a - b * form.shape(places_X, c)
    drawn_RX = _drawn(percent_P, drawn_RP, places_X)
    at_last, at_double = int(np.searchsorted(places_X, last)), len(places_X) - 1
    gains_R = drawn_RX[:, at_double] - drawn_RX[:, at_last]
    band = [interval_of(drawn_RX[:, x], clusters) for x in range(len(places_X))]
    low, high = interval_of(gains_R, clusters)
    residual_P = score_P - (a - b * form.shape(percent_P, c))
    return Fit(
        form=form.name,
        formula=form.formula,
        parameters={"a": a, "b": b, "c": c},
        rmse=float(np.sqrt(np.mean(residual_P**2))),
        percent_X=tuple(places_X.tolist()),
        score_X=tuple(curve_X.tolist()),
        low_X=tuple(bound[0] for bound in band),
        high_X=tuple(bound[1] for bound in band),
        doubled=Bounded(value=float(curve_X[at_double] - curve_X[at_last]), low=low, high=high),
    )


Candidate = tuple[float, tuple[Form, float, float, float]]


def _converged(form: Form, percent_P: Floats, score_P: Floats) -> Candidate:
    """The sum of squared residuals of the best curve of a form; the form with its c, a, b."""
    score_1P = score_P[None, :]

    def residue(log_c: float) -> float:
        return float(_linear(form.shape(percent_P, np.exp(log_c)), score_1P)[0][0])

    grid = np.log(form.grid)
    best = int(np.argmin([residue(log_c) for log_c in grid]))
    around = (grid[max(best - 1, 0)], grid[min(best + 1, STEPS - 1)])
    result = minimize_scalar(residue, bounds=around, method="bounded", options={"xatol": 1e-8})
    log_c = min((result.x, grid[best]), key=residue)  # the search may end beside the grid's best
    c = float(np.exp(log_c))
    squares_1, a_1, b_1 = _linear(form.shape(percent_P, c), score_1P)
    return float(squares_1[0]), (form, c, float(a_1[0]), float(b_1[0]))


def _drawn(percent_P: Floats, drawn_RP: Floats, places_X: Floats) -> Floats:
    """The fitted curve of every resample at every place, [R, X]."""
    best_R = np.full(len(drawn_RP), np.inf)
    curves_RX = np.empty((len(drawn_RP), len(places_X)))
    for form in FORMS:
        for c in form.grid:
            squares_R, a_R, b_R = _linear(form.shape(percent_P, c), drawn_RP)
            better_R = squares_R < best_R
            best_R[better_R] = squares_R[better_R]
            fall_X = form.shape(places_X, c)
            curves_RX[better_R] = a_R[better_R, None] - b_R[better_R, None] * fall_X
    return curves_RX


def _linear(fall_P: Floats, score_RP: Floats) -> tuple[Floats, Floats, Floats]:
    """Bounded least squares of a - b * fall: the sums of squares, a and b, [R] each.

    The problem is convex, so if the free solution violates a bound, the best one lies on it.
    """
    centred_P = fall_P - fall_P.mean()
    spread = centred_P @ centred_P
    mean_R = score_RP.mean(axis=1)
    slope_R = score_RP @ centred_P / spread if spread else np.zeros(len(score_RP))
    b_R = np.maximum(0.0, -slope_R)
    a_R = mean_R + b_R * fall_P.mean()
    over_R = a_R > CEILING
    if over_R.any():
        b_R[over_R] = (CEILING - score_RP[over_R]) @ fall_P / (fall_P @ fall_P)
        a_R[over_R] = CEILING
    residual_RP = score_RP - (a_R[:, None] - b_R[:, None] * fall_P)
    return (residual_RP**2).sum(axis=1), a_R, b_R
