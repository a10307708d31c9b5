"""Iterative bias pruning: what goes, what stays, and when it stops."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.audits.synthetic import RUBRIC, choices, longest, sizes
from vicabench.audits.folds import BY_SCENE
from vicabench.audits.pruning import LEAST_LEFT, TASK, Goal, Pruned, prune
from vicabench.audits.stress import Settings, stress
from vicabench.errors import ConfigError
from vicabench.types import Question

QUICK = Settings(folds=3, trees=4)


def biases_of(questions: list[Question]) -> dict[str, float]:
    made = stress(questions, RUBRIC, QUICK, kinds=(BY_SCENE,), reasons=False)
    pairs = zip(made.items, made.guesses[BY_SCENE], strict=True)
    return {item.question.id: guess.bias for item, guess in pairs}


def pruned(questions: list[Question], goal: Goal, *, fixed: bool = False) -> Pruned:
    return prune(questions, RUBRIC, goal, QUICK, first=biases_of(questions), fixed=fixed)


def mixed() -> list[Question]:
    """Eighty choices that their length gives away, and as many that nothing does."""
    plain = choices(1, scenes=20)
    given = [
        Question(**{**vars(q), "id": f"g{q.id}"}) for q in choices(2, scenes=20, right=longest)
    ]
    return [*plain, *given]


def test_what_is_given_away_goes_first_and_the_bias_falls() -> None:
    made = pruned(mixed(), Goal(size=100, batch=20))
    assert [one.questions for one in made.rounds] == [160, 140, 120, 100]
    assert made.rounds[-1].bias < made.rounds[0].bias - 5
    assert made.reached
    gone = Counter(key[0] for key in made.removed)
    assert gone["g"] > 2 * gone["c"]
    assert sorted([*made.kept, *made.removed]) == sorted(q.id for q in mixed())


def test_the_same_seed_removes_the_same_questions() -> None:
    goal = Goal(size=130, batch=10)
    assert pruned(mixed(), goal) == pruned(mixed(), goal)


def test_it_stops_at_a_wanted_bias_or_when_ten_of_a_type_are_left() -> None:
    questions = mixed()
    first = biases_of(questions)
    start = 100 * sum(first.values()) / len(first)
    some = pruned(questions, Goal(bias=start - 3, batch=10))
    assert some.reached
    assert some.rounds[-1].bias <= start - 3 < some.rounds[-2].bias
    none = pruned(questions, Goal(bias=0.01, batch=40), fixed=True)
    assert not none.reached
    assert len(none.kept) == LEAST_LEFT


def test_removing_by_task_takes_the_same_share_of_each() -> None:
    questions = [*choices(1, scenes=20), *sizes(1, scenes=10)]
    made = pruned(questions, Goal(size=60, batch=30, sharing=TASK))
    assert Counter(key[0] for key in made.kept) == {"c": 40, "n": 20}


def test_a_goal_is_needed() -> None:
    with pytest.raises(ConfigError, match="a number of questions, or a mean bias"):
        Goal()
