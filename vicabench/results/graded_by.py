"""By which version of a harness a file was graded: its own scores tell where readings differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vicabench.harnesses.protocols import find_protocol
from vicabench.harnesses.rows import Source
from vicabench.predictions import Prediction
from vicabench.scoring.grade import grade

ROUNDING = 1e-4
"""The tolerance for scores that were rounded when they were printed."""
REGRADED = (
    *("official@51e089c", "lmms-eval@0.7.3", "lmms-eval@0.7.2"),
    *("vlmevalkit@VsiBench", "vlmevalkit@VSIBench", "extracted"),
)
"""The protocols by which answers that came with scores are graded again."""


@dataclass(frozen=True, kw_only=True)
class Regraded:
    """How many answers came with a score, and how many of them each protocol grades differently."""

    count: int
    differing: Mapping[str, int]

    @property
    def note(self) -> str:
        """A clause that names the protocols which reproduce the scores, or says that none does."""
        same = [name for name, count in self.differing.items() if not count]
        if same:
            return f"its own scores ({self.count}) are those of {', '.join(same)}"
        counts = ", ".join(f"{name} differs in {count}" for name, count in self.differing.items())
        return f"no protocol reproduces its own scores ({self.count}): {counts}"

    def to_json(self) -> dict[str, Any]:
        """The counts and the note, for the run folder."""
        return {**asdict(self), "note": self.note}


def regraded(predictions: Sequence[Prediction], scores: Mapping[str, float]) -> Regraded | None:
    """Grade the answers that came with a score by the usual protocols; None if none did."""
    scored = [p for p in predictions if p.question.id in scores]
    if not scored:
        return None
    differing = {name: _differing(scored, scores, name) for name in REGRADED}
    return Regraded(count=len(scored), differing=differing)


def _differing(
    predictions: Sequence[Prediction], scores: Mapping[str, float], protocol: str
) -> int:
    """How many answers a protocol grades in another way than the file does."""
    rule = find_protocol(protocol)
    return sum(abs(grade(p, rule).score - scores[p.question.id]) > ROUNDING for p in predictions)


@dataclass(frozen=True, kw_only=True)
class GradedBy:
    """The protocol by which a harness graded its file, and how that is known."""

    protocol: str
    because: str

    @property
    def note(self) -> str:
        """A clause that names the protocol and the reason."""
        return f"graded there by {self.protocol} ({self.because})"

    def to_json(self) -> dict[str, str]:
        """The protocol and the reason, for the run folder."""
        return {"protocol": self.protocol, "note": self.note}


def graded_by(
    source: Source, predictions: Sequence[Prediction], scores: Mapping[str, float]
) -> GradedBy | None:
    """The version that graded a file; None for a harness without protocols.

    What the file says of itself narrows the versions down, then its own scores: they are those of
    the version where replies are read differently. The likeliest is taken where several remain.
    """
    named = source.graded_by
    if len(named) < 2:
        return GradedBy(protocol=named[0], because=source.because) if named else None
    scored = [p for p in predictions if p.question.id in scores]
    if not scored:
        why = f"{source.because}; without scores in it not told from {', '.join(named[1:])}"
        return GradedBy(protocol=named[0], because=why)
    fitting = [name for name in named if not _differing(scored, scores, name)]
    if not fitting:
        why = f"{source.because}, but its scores are those of none of {', '.join(named)}"
        return GradedBy(protocol=named[0], because=why)
    if len(fitting) > 1:
        why = f"{source.because}; its scores also fit {', '.join(fitting[1:])}"
    elif fitting[0] == named[0]:
        why = f"{source.because}, and its scores are of that version alone"
    else:
        why = f"its scores are of that version alone, though {source.because}"
    return GradedBy(protocol=fitting[0], because=why)
