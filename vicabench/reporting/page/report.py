"""What a report is about: the runs, how they are graded, and what stands beside the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vicabench.harnesses.protocols import Protocol
from vicabench.results.run import Run
from vicabench.scoring.compare import Comparison
from vicabench.types import Scores


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A few frames of a video as JPEGs of one size in pixels, and the second of each.

    `error` says why there are none.
    """

    jpegs: tuple[bytes, ...] = ()
    seconds: tuple[float, ...] = ()
    width: int = 0
    height: int = 0
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure as an SVG element, with what is said under it; `wide` ones take a whole row."""

    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything a report shows; the first protocol is the one of the headline table.

    `comparisons` are all with the run at place `base` as A. `command` is what made the report,
    `made` says at which `time` and by which `version` and `commit`, `notes` what a reader has to
    know of the whole.
    """

    runs: Sequence[Run]
    protocols: Sequence[Protocol]
    command: str
    made: Mapping[str, str]
    comparisons: Sequence[Comparison] = ()
    base: int | None = None
    drawings: Sequence[Drawing] = ()
    notes: Sequence[str] = ()

    def drawn(self, drawings: Sequence[Drawing], notes: Sequence[str] = ()) -> Report:
        """The same report with these figures, and what has to be said about them."""
        return replace(self, drawings=drawings, notes=[*self.notes, *notes])

    @property
    def scores(self) -> list[Scores]:
        """The rows of the headline table."""
        return [run.scores(self.protocols[0]) for run in self.runs]

    @property
    def benchmarks(self) -> list[str]:
        """The benchmarks that the runs name, each once; empty if none does."""
        return list(dict.fromkeys(run.benchmark for run in self.runs if run.benchmark))
