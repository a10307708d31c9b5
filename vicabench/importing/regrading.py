"""The harness's own scores of an imported file, beside those that our protocols give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vicabench.grading.grade import grade
from vicabench.grading.protocols import PROTOCOLS, find_protocol
from vicabench.predictions import Prediction

ROUNDING = 1e-4  # of scores that were printed, not stored


@dataclass(frozen=True, kw_only=True)
class Regraded:
    """How many answers came with a score, and how many of them each protocol grades otherwise."""

    count: int
    differing: Mapping[str, int]

    @property
    def note(self) -> str:
        """Which protocols reproduce the scores, or that none does, as a clause."""
        same = [name for name, count in self.differing.items() if not count]
        if same:
            return f"its own scores ({self.count}) are those of {', '.join(same)}"
        counts = ", ".join(f"{name} differs in {count}" for name, count in self.differing.items())
        return f"no protocol reproduces its own scores ({self.count}): {counts}"

    def to_json(self) -> dict[str, Any]:
        """The counts and the note, for the run folder."""
        return {**asdict(self), "note": self.note}


def regraded(predictions: Sequence[Prediction], scores: Mapping[str, float]) -> Regraded | None:
    """Grade the answers that have a score by every protocol; None if none has one."""
    scored = [p for p in predictions if p.question.id in scores]
    if not scored:
        return None
    differing = {}
    for name in PROTOCOLS:
        rule = find_protocol(name)
        differing[name] = sum(
            abs(grade(p, rule).score - scores[p.question.id]) > ROUNDING for p in scored
        )
    return Regraded(count=len(scored), differing=differing)
