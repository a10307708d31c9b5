"""Which questions to leave out, so that the rest is harder to guess: iterative bias pruning.

After arXiv 2511.04655: the most guessable questions are removed in batches, and the forest is
fitted again on what remains, because a shortcut may be gone with them. What is left is a selection
for an audit, not the truth: another guesser removes other questions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vicabench.audits.folds import BY_SCENE
from vicabench.audits.stress import Settings, stress
from vicabench.errors import ConfigError
from vicabench.rubric import Rubric
from vicabench.types import Question

LEAST_LEFT = 10
"""The questions of a type below which none of it is removed."""
ROUNDS = 20
"""The usual batch is the questions divided by this."""
GLOBAL, TASK = "all", "task"
SHARING = (GLOBAL, TASK)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """When to stop: at this many questions, or at this mean bias in [0, 100].

    Attributes:
        size: The fewest questions to keep.
        bias: The mean bias that is low enough.
        batch: How many questions to remove before the forest is fitted again; 0: a twentieth.
        sharing: `all`: the most guessable of all; `task`: the same share of every task.
    """

    size: int | None = None
    bias: float | None = None
    batch: int = 0
    sharing: str = GLOBAL

    def __post_init__(self) -> None:
        if self.sharing not in SHARING:
            raise ConfigError(f"--prune-by {self.sharing}: give {' or '.join(SHARING)}.")
        if self.size is None and self.bias is None:
            raise ConfigError("Pruning needs a goal: a number of questions, or a mean bias.")


@dataclass(frozen=True, kw_only=True)
class Round:
    """One point of the shrinking curve: so many questions left, with this mean bias in [0, 100]."""

    questions: int
    bias: float


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """Ids that stay, in the order of the benchmark; those that go, first removed first; rounds."""

    goal: Goal
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    rounds: tuple[Round, ...]

    @property
    def reached(self) -> bool:
        """Whether the goal was reached before too few questions of every type were left."""
        last = self.rounds[-1]
        by_size = self.goal.size is not None and last.questions <= self.goal.size
        return by_size or (self.goal.bias is not None and last.bias <= self.goal.bias)


def prune(
    questions: Sequence[Question],
    rubric: Rubric,
    goal: Goal,
    settings: Settings,
    *,
    first: Mapping[str, float],
    fixed: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Pruned:
    """Remove the most guessable questions, batch by batch, until the goal is reached.

    Args:
        questions: All questions.
        rubric: Their tasks.
        goal: When to stop.
        settings: How the forest is fitted, with whole scenes held out.
        first: The bias of every question by id, in [0, 1], before anything is removed.
        fixed: Whether the biases stay those of `first`, as for the answers of a run.
        progress: Told the questions removed and those to remove, if their number is known.
    """
    left = sorted(questions, key=lambda q: q.id)
    removed: list[str] = []
    biases, rounds = dict(first), []
    batch = goal.batch or math.ceil(len(left) / ROUNDS)
    while True:
        mean = 100 * math.fsum(biases[q.id] for q in left) / len(left)
        rounds.append(Round(questions=len(left), bias=mean))
        going = _chosen(left, rubric, goal, biases, batch) if not _done(goal, rounds[-1]) else set()
        if not going:
            break
        removed += sorted(going, key=lambda key: (-biases[key], key))
        left = [q for q in left if q.id not in going]
        if progress:
            progress(len(removed), len(questions) - (goal.size or 0))
        if not fixed:
            made = stress(left, rubric, settings, kinds=(BY_SCENE,), reasons=False)
            scored = zip(made.items, made.guesses[BY_SCENE], strict=True)
            biases = {item.question.id: guess.bias for item, guess in scored}
    gone = set(removed)
    return Pruned(
        goal=goal,
        kept=tuple(q.id for q in questions if q.id not in gone),
        removed=tuple(removed),
        rounds=tuple(rounds),
    )


def _done(goal: Goal, last: Round) -> bool:
    by_size = goal.size is not None and last.questions <= goal.size
    return by_size or (goal.bias is not None and last.bias <= goal.bias)


def _chosen(
    left: Sequence[Question], rubric: Rubric, goal: Goal, biases: Mapping[str, float], batch: int
) -> set[str]:
    """The ids of the next batch: the most guessable, ties by id, 10 of each type staying."""
    wanted = min(batch, len(left) - (goal.size or 0))
    spare = {kind: n - LEAST_LEFT for kind, n in Counter(q.task for q in left).items()}
    ordered = sorted(left, key=lambda q: (-biases[q.id], q.id))
    if goal.sharing == TASK:
        ordered = _spread(ordered, rubric)
    chosen: set[str] = set()
    for question in ordered:
        if len(chosen) >= wanted:
            break
        if spare[question.task] > 0:
            spare[question.task] -= 1
            chosen.add(question.id)
    return chosen


def _spread(ordered: Sequence[Question], rubric: Rubric) -> list[Question]:
    """The questions so that any first part has the same share of every task."""
    task_of = {q.id: rubric.of_type[q.task].name for q in ordered}
    sizes, seen = Counter(task_of.values()), Counter[str]()
    share: dict[str, float] = {}
    for question in ordered:
        name = task_of[question.id]
        seen[name] += 1
        share[question.id] = seen[name] / sizes[name]
    return sorted(ordered, key=lambda q: share[q.id])
