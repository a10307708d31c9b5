"""What explains the difference of two runs: its parts, and what the runs record of their asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vicabench.harnesses.protocols import Protocol
from vicabench.results.run import Run
from vicabench.results.settings import Setting
from vicabench.scoring.parts import HEADLINE, Split


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why run B scores otherwise than run A.

    Attributes:
        a: Run A, on the questions that both were asked.
        b: Run B, on the same.
        protocols: How A is read and aggregated, and how B is.
        splits: The parts of the difference, for `average` (the headline) and for each task.
        settings: The settings of the asking in which the two differ.
        again: What has to be run to split the part of the asking, as sentences.
        notes: What a reader has to know.
    """

    a: Run
    b: Run
    protocols: tuple[Protocol, Protocol]
    splits: Mapping[str, Split]
    settings: tuple[Setting, ...]
    again: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def overall(self) -> Split:
        """The parts of the difference of the headline scores."""
        return self.splits[HEADLINE]
