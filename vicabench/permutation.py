"""Paired permutation tests over videos, and Holm's correction.

If two runs were equally good, it would not matter which of them gave which answers. So all of a
video's answers are swapped between the runs, for every video or none, which turns the sign of the
video's part in the difference; p is how often that gives a difference at least as large as the
observed one, to either side. Whole videos are swapped because questions of one video are not
independent (as in `vicabench.stats`).

Shapes: V videos, S statistics, R random assignments of signs, B of them in a block.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLIPS = 10_000
EXACT = 13
"""Up to so many videos that differ, all 2^13 = 8,192 assignments of signs are gone through."""
SEED = 0
BLOCK = 1_000
ROUNDING = 1e-9  # of the largest possible difference: what floats lose, far below one answer
Floats = NDArray[np.float64]


def permutation_p(parts_VS: Floats, *, flips: int = FLIPS) -> Floats:
    """The two-sided p-value of each statistic, in (0, 1].

    `parts_VS[v, s]` is what video v adds to difference s, so that a column sums to the difference.
    Videos that add nothing say nothing. With at most 13 others p is exact; else it comes from
    `flips` random assignments of signs, the same for all statistics, and is
    (1 + those at least as large) / (1 + flips), which keeps the test valid (Phipson and Smyth,
    "Permutation p-values should never be zero", 2010).
    """
    p_S = _random(parts_VS, flips)
    for s, parts_V in enumerate(parts_VS.T):
        told_V = parts_V[np.abs(parts_V) > ROUNDING * np.abs(parts_V).sum()]
        if len(told_V) <= EXACT:
            p_S[s] = _exact(told_V)
    return p_S


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number by Holm's step-down method (1979), in their order.

    Rejecting those at most alpha keeps the chance of any false rejection at alpha, however the
    tests depend on each other.
    """
    if not p_values:
        return []
    p_K = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_K, kind="stable")
    stepped = np.maximum.accumulate(p_K[order] * np.arange(len(p_K), 0, -1))
    corrected = np.empty_like(p_K)
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(p) for p in corrected]


def _exact(parts_V: Floats) -> float:
    videos = len(parts_V)
    bits = (np.arange(2**videos)[:, None] >> np.arange(videos)) & 1
    return float(np.mean(_as_large((1.0 - 2.0 * bits) @ parts_V[:, None], parts_V[:, None])))


def _random(parts_VS: Floats, flips: int) -> Floats:
    generator = np.random.default_rng(SEED)
    hits_S = np.zeros(parts_VS.shape[1])
    for start in range(0, flips, BLOCK):  # blocks, so that many videos need little memory
        shape = (min(BLOCK, flips - start), len(parts_VS))
        signs_BV = 1.0 - 2.0 * generator.integers(0, 2, size=shape)
        hits_S += _as_large(signs_BV @ parts_VS, parts_VS).sum(0)
    return np.asarray((1 + hits_S) / (1 + flips), dtype=np.float64)


def _as_large(drawn_RS: Floats, parts_VS: Floats) -> NDArray[np.bool_]:
    """Which drawn differences are at least as large as the observed one, rounding aside."""
    slack_S = ROUNDING * np.abs(parts_VS).sum(0)
    found: NDArray[np.bool_] = np.abs(drawn_RS) >= np.abs(parts_VS.sum(0)) - slack_S
    return found
