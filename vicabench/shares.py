"""Means, medians and shares with their 95% intervals over videos, for what is no score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vicabench.stats import RESAMPLES, Floats, interval_of, video_resamples

OF_MEDIANS = 2_000
"""Resamples of a median, each of which goes through all values."""


def median_of(values: Sequence[float], videos: Sequence[str]) -> tuple[float, float, float]:
    """The (lower) median and its 95% interval; `videos` names the video of each value.

    NaN for no values. Shapes: N values, V videos, B resamples in a block.
    """
    if not values:
        return float("nan"), float("nan"), float("nan")
    order_N = np.argsort(values, kind="stable")
    sorted_N = np.asarray(values, dtype=np.float64)[order_N]
    names = sorted(set(videos))
    index_N = np.searchsorted(names, np.asarray(videos)[order_N])
    drawn: list[Floats] = []
    for w_BV in video_resamples(len(names), OF_MEDIANS):
        mass_BN = np.cumsum(w_BV[:, index_N], axis=1)
        place_B = (2 * mass_BN < mass_BN[:, -1:]).sum(axis=1)
        drawn.append(sorted_N[place_B])
    low, high = interval_of(np.concatenate(drawn), len(names))
    return float(sorted_N[(len(values) - 1) // 2]), low, high


def mean_of(values: Sequence[float], videos: Sequence[str]) -> tuple[float, float, float]:
    """The mean and its 95% interval; `videos` names the video of each value.

    NaN for no values. Shapes: V videos, R resamples.
    """
    if not values:
        return float("nan"), float("nan"), float("nan")
    rows = {video: row for row, video in enumerate(sorted(set(videos)))}
    place_N = [rows[video] for video in videos]
    sums_V = np.bincount(place_N, weights=values)
    counts_V = np.bincount(place_N)
    weights = video_resamples(len(rows), RESAMPLES)
    drawn_R = np.concatenate([(w_BV @ sums_V) / (w_BV @ counts_V) for w_BV in weights])
    return float(sums_V.sum() / counts_V.sum()), *interval_of(drawn_R, len(rows))


def shares_of(
    labels: Sequence[str], videos: Sequence[str], among: Sequence[str]
) -> list[tuple[float, float, float]]:
    """For each of `among` its share of the labels in percent, with its 95% interval.

    Shapes: V videos, L of `among` and the rest, R resamples. NaN for no labels.
    """
    if not labels:
        return [(float("nan"),) * 3 for _ in among]
    names = sorted(set(videos))
    counts_VL = np.zeros((len(names), len(among) + 1))
    rows = {video: row for row, video in enumerate(names)}
    columns = {label: column for column, label in enumerate(among)}
    for label, video in zip(labels, videos, strict=True):
        counts_VL[rows[video], columns.get(label, len(among))] += 1
    drawn_RL = np.vstack([w_BV @ counts_VL for w_BV in video_resamples(len(names), RESAMPLES)])
    shares_RL = 100 * drawn_RL / drawn_RL.sum(axis=1, keepdims=True)
    total_L = counts_VL.sum(axis=0)
    return [
        (float(100 * total_L[c] / total_L.sum()), *interval_of(shares_RL[:, c], len(names)))
        for c in range(len(among))
    ]
