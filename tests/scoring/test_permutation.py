"""Permutation p-values and Holm's correction, against enumeration and published arithmetic."""

from itertools import product
from statistics import fmean

import numpy as np
import pytest

from vicabench.scoring.compare import holm, permutation_p


def enumerated(parts: list[float]) -> float:
    """The share of all assignments of signs that give a sum at least as far from zero."""
    sums = [sum(signed) for signed in product(*((part, -part) for part in parts))]
    return fmean(abs(total) >= abs(sum(parts)) - 1e-9 for total in sums)


def test_few_videos_are_enumerated_exactly() -> None:
    parts = [0.3, 0.1, -0.2, 0.5, 0.4]
    p_all = permutation_p(np.array([parts, [0.1] * 5]).T)
    assert p_all == pytest.approx([enumerated(parts), 2 / 2**5])


def test_videos_on_which_the_runs_agree_have_no_effect() -> None:
    parts = [0.3, 0.1, -0.2, 0.5, 0.4]
    assert permutation_p(np.array([parts + [0.0] * 300]).T) == pytest.approx([enumerated(parts)])
    assert permutation_p(np.zeros((300, 1))) == pytest.approx([1.0])


def test_random_flips_approximate_the_exact_p_value() -> None:
    parts = [0.1, -0.3, 0.7, 0.2, 0.5, -0.1, 0.4, 0.9, -0.8, 0.3, 0.6, -0.2, 0.8, 0.1]
    exact = enumerated(parts)
    assert 0.05 < exact < 0.5
    # 10,000 draws put any share within a standard error of 0.5 points; four of those.
    assert permutation_p(np.array([parts]).T) == pytest.approx([exact], abs=0.02)


def test_no_p_value_of_random_flips_is_zero() -> None:
    assert permutation_p(np.full((200, 1), 0.1)) == pytest.approx([1 / 10_001])


def test_holm_keeps_the_order_and_never_exceeds_one() -> None:
    # By hand: 4 x 0.005, 3 x 0.01, then 2 x 0.03, then 0.04 raised to the previous value.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []
