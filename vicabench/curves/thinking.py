"""How the replies of a Thinking model came about: straight, after thoughts, or not at all.

The ViCA report's Table 2 counts the same for its checkpoints: of all replies those that could be
read, and of these the direct answers and those that follow written thoughts.
"""

from __future__ import annotations

from dataclasses import dataclass

from vicabench.curves.fit import Bounded
from vicabench.harnesses.protocols import Protocol
from vicabench.results import Run
from vicabench.shares import shares_of
from vicabench.thinking import with_thoughts
from vicabench.types import ANSWERED

DIRECT, THOUGHT = "direct", "thought"


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """Of `questions` how many were answered directly and how many via thoughts.

    The shares are in percent of all questions, with their intervals over videos.
    """

    questions: int
    videos: int
    direct_answers: int
    via_thoughts: int
    direct_share: Bounded
    thought_share: Bounded

    @property
    def valid_outputs(self) -> int:
        """Replies that the protocol could read."""
        return self.direct_answers + self.via_thoughts


def adoption(run: Run, protocol: Protocol) -> Adoption | None:
    """Count how a run's readable replies came about; None if no reply has thoughts."""
    thought = with_thoughts(run.predictions)
    if not thought:
        return None
    grades = run.grades(protocol)
    ways = ["" if g.outcome != ANSWERED else THOUGHT if g.id in thought else DIRECT for g in grades]
    direct, via = shares_of(ways, [g.video for g in grades], (DIRECT, THOUGHT))
    return Adoption(
        questions=len(grades),
        videos=len({g.video for g in grades}),
        direct_answers=ways.count(DIRECT),
        via_thoughts=ways.count(THOUGHT),
        direct_share=Bounded(value=direct[0], low=direct[1], high=direct[2]),
        thought_share=Bounded(value=via[0], low=via[1], high=via[2]),
    )
