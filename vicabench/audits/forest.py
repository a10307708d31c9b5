"""The forests of scikit-learn, an extra, imported when one is grown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

# On one core: threads of scikit-learn race for the filters of Python's warnings, which are global,
# and leave them empty.
LEAST = 5
"""The fewest rows in a leaf."""


def classifier(trees: int, seed: int) -> RandomForestClassifier:
    """A forest for right and wrong options; scikit-learn's defaults but for the leaves."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    return RandomForestClassifier(n_estimators=trees, min_samples_leaf=LEAST, random_state=seed)


def regressor(trees: int, seed: int) -> RandomForestRegressor:
    """A forest for numbers; scikit-learn's defaults but for the leaves."""
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415

    return RandomForestRegressor(n_estimators=trees, min_samples_leaf=LEAST, random_state=seed)
