"""Rebalanced scores: even margins, against independent computation."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vicabench as vb
from tests.audits.synthetic import sizes
from tests.support import Row
from vicabench.audits.rebalance import LARGEST, effective, raked, weights_of
from vicabench.errors import ConfigError
from vicabench.harnesses.protocols import find_protocol
from vicabench.rubric import Overall, Rubric, Task
from vicabench.scoring.stats import score_run


def counting() -> list[Row]:
    """Chairs are mostly two; of lamps and sofas there are two to four, each as often."""
    counts = [("chair", 2)] * 30 + [("chair", 3), ("chair", 4)] * 3
    counts += [(x, c) for x in ("lamp", "sofa", "bed", "door") for c in (2, 3, 4)] * 3
    return [
        {
            "id": n,
            "video": f"v{n % 24}",
            "question_type": "object_counting",
            "question": f"How many {x}(s) are in this room?",
            "ground_truth": c,
            "response": "2",
        }
        for n, (x, c) in enumerate(counts)
    ]


def test_every_answer_and_every_object_gets_the_same_weight() -> None:
    rows = counting()
    run = vb.score(rows).run
    weights = weights_of(run.questions, run.rubric)
    answers, objects = Counter[str](), Counter[str]()
    for row in rows:
        answers[str(row["ground_truth"])] += weights[str(row["id"])]  # type: ignore[assignment]
        objects[str(row["question"]).split()[2]] += weights[str(row["id"])]  # type: ignore[assignment]
    for totals in (answers, objects):
        assert max(totals.values()) < 1.02 * min(totals.values())
    assert np.mean(list(weights.values())) == pytest.approx(1.0)
    assert effective(list(weights.values())) < len(rows)


def test_no_weight_is_over_five_times_the_mean() -> None:
    labels = [("common",)] * 99 + [("rare",)]
    weights = raked([labels])
    assert weights.max() <= LARGEST * 1.001
    assert weights[-1] == weights.max()
    assert raked([[(n,) for n in range(9)], [()] * 9]) == pytest.approx(np.ones(9))


def test_a_constant_loses_what_the_balance_of_answers_gave_it() -> None:
    rows = counting()
    plain, even = (vb.score(rows, rebalanced=each) for each in (False, True))
    weights = weights_of(plain.run.questions, plain.run.rubric)
    grades = plain.run.grades(find_protocol("official"))
    by_hand = sum(weights[g.id] * g.score for g in grades) / sum(weights.values())
    assert even.overall.mean == pytest.approx(100 * by_hand)
    assert even.overall.mean < plain.overall.mean - 10
    assert even.scores.model == "rows (rebalanced)"
    assert "the questions are worth so many of equal weight: Obj. Count" in even.table()
    assert (even.overall.count, even.overall.clusters) == (len(rows), 24)


def test_the_interval_is_that_of_an_independent_bootstrap() -> None:
    questions = sizes(1)
    rows = [
        {
            "id": q.id,
            "video": q.video,
            "question_type": "object_size_estimation",
            "question": q.text,
            "ground_truth": q.answer,
            "response": str(float(q.answer) * (1 + (n % 7) / 10)),
        }
        for n, q in enumerate(questions)
    ]
    even = vb.score(rows, rebalanced=True)
    weights = weights_of(even.run.questions, even.run.rubric)
    sums, totals = defaultdict[str, float](float), defaultdict[str, float](float)
    for grade in even.run.grades(find_protocol("official")):
        sums[grade.video] += weights[grade.id] * grade.score
        totals[grade.video] += weights[grade.id]
    videos, rng = sorted(sums), np.random.default_rng(1)
    drawn = rng.integers(0, len(videos), size=(20_000, len(videos)))
    s, t = (np.asarray([part[v] for v in videos]) for part in (sums, totals))
    low, high = np.percentile(100 * s[drawn].sum(1) / t[drawn].sum(1), [2.5, 97.5])
    assert even.overall.low == pytest.approx(low, abs=0.6)  # expanded a little, for few videos
    assert even.overall.high == pytest.approx(high, abs=0.6)


def test_even_weights_change_nothing() -> None:
    run = vb.score(counting()).run
    grades = run.grades(find_protocol("official"))
    even = score_run(grades, model="m", weights={g.id: 1.0 for g in grades})
    assert even == score_run(grades, model="m")


def test_scores_over_groups_of_questions_are_refused() -> None:
    groups = Overall(name="g", title="Groups", how="variants", at_least=2)
    rubric = Rubric(
        tasks=(Task(name="object_counting", unit="objects", kind="numeric"),), overall=(groups,)
    )
    run = replace(vb.score(counting()).run, rubric=rubric, path=Path("r"))
    with pytest.raises(ConfigError, match="Leave out --rebalanced"):
        vb.score(run, rebalanced=True)
