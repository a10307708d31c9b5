"""Where protocols read the same replies differently, and what that does to the score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vicabench.harnesses.protocols import Protocol
from vicabench.results.frames import cells, frame_of
from vicabench.results.run import Run
from vicabench.rubric import Rubric
from vicabench.scoring.compare import score_differences
from vicabench.types import Grade, Scores

if TYPE_CHECKING:
    from pandas import DataFrame

Pair = tuple[Grade, Grade]
COLUMNS = (
    *("protocol", "against", "score_of", "score", "low", "high"),
    *("questions", "videos", "unanswered", "read_differently"),
)
"""Of a disagreement's frame."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One protocol minus another on the same replies.

    Attributes:
        protocol: The name of the other protocol.
        points: The differences of the scores, in [-100, 100], with intervals over videos.
        read: By task, the number of questions in which the two read different answers.
    """

    protocol: str
    points: Scores
    read: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Example:
    """A reply that protocols score differently, with what each read (None: nothing)."""

    id: str
    task: str
    truth: str
    reply: str
    read: Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """The differences of protocols to the first (`against`) in one run, with examples by task."""

    model: str
    against: str
    differences: tuple[Difference, ...]
    examples: tuple[Example, ...]

    @property
    def alike(self) -> bool:
        """Whether every protocol reads the same answer in every reply."""
        return not any(difference.read for difference in self.differences)

    def frame(self) -> DataFrame:
        """One row a protocol and task, then `overall` and `micro`: it minus the first, in points.

        `read_differently` counts the questions in which the two read different answers.
        """
        rows = [
            {
                "protocol": one.protocol,
                "against": self.against,
                "score_of": name,
                **cells(estimate),
                "read_differently": one.read.get(name, 0) if name in one.points.tasks else whole,
            }
            for one in self.differences
            for whole in [sum(one.read.values())]
            for name, estimate in {
                **one.points.tasks,
                "overall": one.points.overall,
                "micro": one.points.micro,
            }.items()
        ]
        return frame_of(rows, COLUMNS)


def disagreement(run: Run, protocols: Sequence[Protocol]) -> Disagreement:
    """Compare each protocol with the first, question by question."""
    first = protocols[0]
    return Disagreement(
        model=run.name,
        against=first.name,
        differences=tuple(
            _difference(list(zip(run.grades(first), run.grades(other), strict=True)), run.rubric)
            for other in protocols[1:]
        ),
        examples=tuple(_examples(run, protocols)),
    )


def _difference(pairs: Sequence[Pair], rubric: Rubric) -> Difference:
    """The other protocol minus the first: a mean of differences is a difference of means."""
    first, other = pairs[0]
    differing = (a for a, b in pairs if not _same(a, b))
    model = f"{other.protocol} − {first.protocol}"
    return Difference(
        protocol=other.protocol,
        points=score_differences(pairs, rubric=rubric, model=model),
        read=dict(Counter(rubric.of_type[grade.task].name for grade in differing)),
    )


def _same(a: Grade, b: Grade) -> bool:
    """Whether both read the same answer; protocols differ in the case of letters."""
    return a.read == b.read or (
        a.read is not None and b.read is not None and a.read.lower() == b.read.lower()
    )


def _examples(run: Run, protocols: Sequence[Protocol]) -> Iterator[Example]:
    """For every task the first reply with the widest spread of scores, if scores differ."""
    rows = list(zip(*[run.reply_grades(protocol) for protocol in protocols], strict=True))
    best: dict[str, tuple[float, int]] = {}
    for place, row in enumerate(rows[: len(run.predictions)]):
        spread = max(g.score for g in row) - min(g.score for g in row)
        task = run.rubric.of_type[row[0].task].name
        if spread > best.get(task, (0.0, 0))[0]:
            best[task] = spread, place
    for task, (_, place) in sorted(best.items(), key=lambda item: item[1][1]):
        prediction = run.predictions[place]
        yield Example(
            id=prediction.question.id,
            task=task,
            truth=prediction.question.answer,
            reply=prediction.response or "",
            read={g.protocol: g.read for g in rows[place]},
        )
