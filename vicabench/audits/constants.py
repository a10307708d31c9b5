"""What can be scored without reading a question: chance, and answers that are always the same.

All of them are known from the other folds alone, as a forest is, so that they can be compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vicabench.audits.folds import Ints
from vicabench.audits.statistics import Floats
from vicabench.audits.texts import Item, score_of
from vicabench.metrics import NUMERIC
from vicabench.rubric import Task
from vicabench.types import Question

MOST = 200
"""The most different answers of a type among which the best constant is looked for."""


@dataclass(frozen=True, kw_only=True)
class Constants:
    """Scores of N questions of one task, in [0, 1].

    Attributes:
        chance_N: The expected score of an option at random, or of an answer drawn from those of
            the same type in the other folds.
        frequent_N: The score of the commonest letter, number or text.
        constant_N: The score of the number that scores best in the other folds, or of the option
            whose text is right most often there.
        answers: What the constant answers.
    """

    chance_N: Floats
    frequent_N: Floats
    constant_N: Floats
    answers: tuple[str, ...]


def constants_of(items: Sequence[Item], task: Task, outer_N: Ints) -> Constants:
    """Chance and constants, out of fold. Where no other fold has the type, all are chance."""
    size = len(items)
    found = {name: np.zeros(size) for name in ("chance", "frequent", "constant")}
    answers = [""] * size
    by_type: dict[str, list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        by_type[item.question.task].append(row)
    graded = _Graded(task)
    for rows in by_type.values():
        for fold in sorted({int(outer_N[row]) for row in rows}):
            known = [items[row] for row in rows if outer_N[row] != fold]
            guesser = _Guesser(known, task, graded)
            for row in (row for row in rows if outer_N[row] == fold):
                item = items[row]
                found["chance"][row] = guesser.chance(item)
                found["frequent"][row] = guesser.frequent(item)
                answers[row], found["constant"][row] = guesser.constant(item)
    return Constants(
        chance_N=found["chance"],
        frequent_N=found["frequent"],
        constant_N=found["constant"],
        answers=tuple(answers),
    )


class _Graded:
    """Scores of answers by truth, each computed once."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.known: dict[tuple[str, tuple[str, ...]], float] = {}

    def score(self, answer: str, question: Question) -> float:
        key = (answer, question.answers)
        if key not in self.known:
            self.known[key] = score_of(self.task, answer, question)
        return self.known[key]


class _Guesser:
    """The constants of one question type, from the questions of the other folds."""

    def __init__(self, known: Sequence[Item], task: Task, graded: _Graded) -> None:
        self.graded = graded
        self.answers = Counter(sorted(item.question.answer for item in known))
        self.wins, self.seen = Counter[str](), Counter[str]()
        for item in known:
            for text, gain in zip(item.texts, item.gains, strict=True):
                self.wins[text] += gain  # type: ignore[assignment]  # shares of a point
                self.seen[text] += 1
        self.best = self._best(known) if task.kind == NUMERIC else ""

    def _best(self, known: Sequence[Item]) -> str:
        """The number that scores best among the answers that are known."""
        truths = Counter(item.question.answers for item in known)
        examples = {item.question.answers: item.question for item in known}

        def total(answer: str) -> float:
            return sum(n * self.graded.score(answer, examples[t]) for t, n in truths.items())

        values = sorted(self.answers, key=float)
        step = max(1, len(values) // MOST)
        return max(values[::step], key=total, default="")

    def chance(self, item: Item) -> float:
        if item.gains:
            return float(np.mean(item.gains))
        total = self.answers.total()
        scores = (n * self.graded.score(a, item.question) for a, n in self.answers.items())
        return sum(scores) / total if total else 0.0

    def frequent(self, item: Item) -> float:
        """The commonest answer; for a choice the commonest letter that the question has."""
        if not self.answers:
            return self.chance(item)
        for answer, _ in self.answers.most_common():
            if not item.answers:
                return self.graded.score(answer, item.question)
            if answer.upper() in {a.upper() for a in item.answers}:
                return self.graded.score(answer, item.question)
        return self.chance(item)

    def constant(self, item: Item) -> tuple[str, float]:
        if item.answers:
            rates = [
                self.wins[text] / self.seen[text] if self.seen[text] else 0.0 for text in item.texts
            ]
            place = int(np.argmax(rates))
            return item.answers[place], item.gains[place]
        answer = self.best or next(iter(dict(self.answers.most_common(1))), "")
        return answer, self.graded.score(answer, item.question) if answer else 0.0
