"""The two measures of VSI-Bench: mean relative accuracy for numbers, exact match for letters."""

from __future__ import annotations

import math

import numpy as np

# int((0.95 - 0.5) / 0.05 + 2) is 10 and not 11, because the float is 10.999...; the published
# numbers rest on it, so the count is spelt out here instead of being computed again.
THRESHOLDS = np.linspace(0.5, 0.95, 10)
TOLERANCES: tuple[float, ...] = tuple((1 - THRESHOLDS).tolist())


def mean_relative_accuracy(prediction: float, truth: float) -> float:
    """Share in [0, 1] of the ten thresholds t with |prediction - truth| / truth <= 1 - t.

    The comparison is `<=` in float64, as in the released VSI-Bench code; the formula of the
    paper (arXiv 2412.14171, equation 1) has a strict `<`. NaN, infinite and negative predictions
    score 0. `truth` must be positive: ValueError otherwise.
    """
    if not (math.isfinite(truth) and truth > 0):
        raise ValueError(f"mean relative accuracy needs a positive ground truth, not {truth}")
    error = abs(prediction - truth) / truth
    return sum(error <= tolerance for tolerance in TOLERANCES) / len(TOLERANCES)


def exact_match(letter: str, truth: str) -> float:
    """1.0 if the two letters are equal whatever their case, else 0.0."""
    return float(letter.lower() == truth.lower())
