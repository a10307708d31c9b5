"""Does a printed average follow from the columns printed beside it?

The score of VSI-Bench is the unweighted mean of the eight tasks. Some published averages are
something else; they are kept as printed and marked. What counts is computed here from the figures
themselves: an average rounded to a unit, of columns rounded to the same unit, can be off by one
unit at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from vicabench.types import TASKS

QUESTIONS: Mapping[str, int] = {
    "object_counting": 565,
    "object_abs_distance": 834,
    "object_size_estimation": 953,
    "room_size_estimation": 288,
    "object_rel_distance": 710,
    "object_rel_direction": 968,
    "route_planning": 194,
    "obj_appearance_order": 618,
}
"""Questions of each task in the whole of VSI-Bench (counted from its annotations)."""


def macro(tasks: Mapping[str, float]) -> float | None:
    """The unweighted mean of the tasks; None unless all eight are printed."""
    return fmean(tasks.values()) if len(tasks) == len(TASKS) else None


def micro(tasks: Mapping[str, float]) -> float | None:
    """The mean weighted by the questions of VSI-Bench; None unless all eight are printed.

    Relative direction enters as its printed score, the mean of its three types.
    """
    if len(tasks) != len(TASKS):
        return None
    return sum(tasks[name] * count for name, count in QUESTIONS.items()) / sum(QUESTIONS.values())


def agrees(printed: float, computed: float | None, decimals: int) -> bool:
    """Whether rounding alone explains the difference; True where nothing can be computed."""
    return computed is None or abs(printed - computed) <= 10.0**-decimals + 1e-9
