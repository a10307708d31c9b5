"""The saturating fit against curves with known parameters, and against scipy."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from vicabench.curves.fit import CEILING, FORMS, fit
from vicabench.scoring.stats import Floats

PERCENT = np.arange(5.0, 101.0, 5.0)
SAME = np.zeros((10, 1))


def exponential(x: Floats, a: float, b: float, c: float) -> Floats:
    return np.asarray(a - b * np.exp(-x / c))


def power(x: Floats, a: float, b: float, c: float) -> Floats:
    return np.asarray(a - b * x**-c)


def test_an_exact_curve_is_recovered_with_its_form() -> None:
    for curve, name in ((exponential, "exponential"), (power, "power law")):
        truth = (60.0, 25.0, 30.0) if curve is exponential else (70.0, 60.0, 0.4)
        score = curve(PERCENT, *truth)
        fitted = fit(PERCENT, score, score + SAME, 100)
        assert fitted is not None
        assert fitted.form == name
        # Least squares has only this minimum; 1e-3 is the resolution of the search for c.
        assert list(fitted.parameters.values()) == pytest.approx(truth, rel=1e-3)
        now, then = curve(np.array([100.0, 200.0]), *truth)
        assert fitted.doubled.value == pytest.approx(then - now, abs=1e-3)


def test_noisy_scores_give_the_least_squares_of_scipy() -> None:
    noise = np.random.default_rng(3).normal(0, 0.8, len(PERCENT))
    score = exponential(PERCENT, 62, 20, 25) + noise
    fitted = fit(PERCENT, score, score + SAME, 100)
    assert fitted is not None
    form = next(form for form in FORMS if form.name == fitted.form)
    curve = exponential if fitted.form == "exponential" else power
    lower, upper = zip((0, CEILING), (0, np.inf), form.bounds, strict=True)
    theirs, _ = curve_fit(curve, PERCENT, score, (60, 20, 20), bounds=(lower, upper))
    assert list(fitted.parameters.values()) == pytest.approx(theirs, rel=1e-3)
    assert fitted.rmse == pytest.approx(np.std(score - curve(PERCENT, *theirs)), rel=1e-3)


def test_the_ceiling_bounds_a_straight_line() -> None:
    score = 20 + 0.7 * PERCENT
    fitted = fit(PERCENT, score, score + SAME, 100)
    assert fitted is not None
    assert fitted.parameters["a"] <= CEILING
    assert max(fitted.high_X) <= CEILING


def test_the_gain_interval_reflects_the_resamples() -> None:
    generator = np.random.default_rng(0)
    drawn_RP = exponential(PERCENT, 60, 25, 40) + generator.normal(0, 1, (500, len(PERCENT)))
    score = exponential(PERCENT, 60, 25, 40)
    fitted = fit(PERCENT, score, drawn_RP, 288)
    assert fitted is not None
    gains = []
    for row in drawn_RP[:40]:
        one = fit(PERCENT, row, row + SAME, 288)
        assert one is not None
        gains.append(one.doubled.value)
    inside = [fitted.doubled.low <= gain <= fitted.doubled.high for gain in gains]
    assert sum(inside) >= 34  # 38 expected of 40; fewer than 34 has a probability below 2%
    assert fitted.doubled.low < fitted.doubled.value < fitted.doubled.high


def test_too_few_points_and_untrained_points_are_not_fitted() -> None:
    score = exponential(PERCENT, 60, 25, 30)
    assert fit(PERCENT[:4], score[:4], score[:4] + SAME, 100) is None
    percent, score = np.append(0.0, PERCENT), np.append(5.0, score)
    fitted = fit(percent, score, score + SAME, 100)
    assert fitted is not None
    assert fitted.parameters["a"] == pytest.approx(60, rel=1e-3)


def test_falling_scores_have_no_fit() -> None:
    score = 60 - 0.1 * PERCENT
    assert fit(PERCENT, score, score + SAME, 100) is None
