"""The forests of scikit-learn, an extra, imported when one is grown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

LEAST = 5
"""The fewest rows in a leaf."""
MANY = 500
"""From so many rows on, a forest grows on all cores."""


def classifier(trees: int, seed: int, rows: int) -> RandomForestClassifier:
    """A forest for right and wrong options; scikit-learn's defaults but for the leaves."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    return RandomForestClassifier(
        n_estimators=trees, min_samples_leaf=LEAST, random_state=seed, n_jobs=_jobs(rows)
    )


def regressor(trees: int, seed: int, rows: int) -> RandomForestRegressor:
    """A forest for numbers; scikit-learn's defaults but for the leaves."""
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415

    return RandomForestRegressor(
        n_estimators=trees, min_samples_leaf=LEAST, random_state=seed, n_jobs=_jobs(rows)
    )


def _jobs(rows: int) -> int:
    return -1 if rows >= MANY else 1
