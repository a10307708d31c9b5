"""The Test-set Stress-Test, against independent computation, planted shortcuts, and none."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from statistics import fmean, median_low

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from tests.audits.synthetic import (
    RUBRIC,
    Answer,
    choices,
    first_by_name,
    longest,
    sizes,
    third,
)
from vicabench.audits import choices as by_choice
from vicabench.audits import numbers as by_number
from vicabench.audits.folds import BY_SCENE, RANDOM, folds_of
from vicabench.audits.stress import SEVERAL, Settings, Stress, stress, telling
from vicabench.audits.texts import Item, items_of
from vicabench.benchmarks.loading import read_records
from vicabench.metrics import MRA
from vicabench.rubric import VSI
from vicabench.scoring.stats import score_run
from vicabench.types import Question

SMALL = Settings(folds=3, seed=7, trees=3)
CHOICE, NUMBER = RUBRIC.tasks


def inner_folds(items: list[Item], held: int) -> np.ndarray:
    """Inner folds of all rows but those of the outer fold `held`, which have -1."""
    scenes = [item.scene for item in items]
    outer = folds_of(scenes, SMALL.folds, BY_SCENE, SMALL.seed)
    inner = np.full(len(items), -1)
    left = [scene for scene, fold in zip(scenes, outer, strict=True) if fold != held]
    inner[outer != held] = folds_of(left, 10, BY_SCENE, SMALL.seed + 1)
    return inner


def known_to(row: int, inner: np.ndarray) -> list[int]:
    """The rows whose answers the features of a row may use."""
    return [n for n, fold in enumerate(inner) if fold >= 0 and fold != inner[row]]


def rate(hits: list[float], prior: float) -> float:
    return (sum(hits) + 3 * prior) / (len(hits) + 3)


def naive_choice_features(items: list[Item], inner: np.ndarray) -> list[list[float]]:
    """One list per option, by loops over all other questions, in the order of the columns."""
    found = []
    for row, item in enumerate(items):
        others = [items[n] for n in known_to(row, inner)]
        options = [
            (o, place, text, o.gains[place]) for o in others for place, text in enumerate(o.texts)
        ]
        values = []
        for place, text in enumerate(item.texts):
            alike = [g for _, _, t, g in options if t == text]
            about = [g for o, _, t, g in options if (t, o.things) == (text, item.things)]
            rivals = []
            for rival in item.texts:
                if rival == text:
                    continue
                met = [o for o in others if {text, rival} <= set(o.texts)]
                mine = [o.gains[o.texts.index(text)] for o in met]
                theirs = [o.gains[o.texts.index(rival)] for o in met]
                rivals.append(rate([m for m, t in zip(mine, theirs, strict=True) if m != t], 0.5))
            values.append(
                [
                    rate([g for _, p, _, g in options if p == place], 0.25),
                    rate(alike, 0.25),
                    rate(alike, 0.25),  # the text is one word
                    rate(about, 0.25),
                    rate(about, 0.25),  # there is one thing
                    fmean(rivals),
                    min(rivals),
                    float(len(text)),
                ]
            )
        for place, mine in enumerate(values):
            best = [max(v[c] for p, v in enumerate(values) if p != place) for c in range(8)]
            found.append([x for c in range(8) for x in (mine[c], mine[c] - best[c])])
    return found


def test_choices_agree_with_an_independent_computation() -> None:
    items = items_of(choices(1, scenes=12), RUBRIC)
    made = stress([i.question for i in items], RUBRIC, SMALL)
    slots = by_choice.slots_of(items)
    for held in range(SMALL.folds):
        inner = inner_folds(items, held)
        naive = np.asarray(naive_choice_features(items, inner))
        ours, _ = by_choice.matrix(slots, by_choice.features_of(slots), inner)
        np.testing.assert_allclose(ours, naive)
        fitted = np.repeat(inner >= 0, 4)
        forest = RandomForestClassifier(3, min_samples_leaf=5, random_state=SMALL.seed)
        forest.fit(naive[fitted], (slots.gains == 1)[fitted])
        share = forest.predict_proba(naive)[:, 1].reshape(-1, 4) + 1e-9
        for row in np.flatnonzero(inner < 0):
            guess = made.guesses[BY_SCENE][row]
            assert guess.answer == "ABCD"[int(share[row].argmax())]
            right = "ABCD".index(items[row].question.answer)
            assert guess.bias == pytest.approx(share[row, right] / share[row].sum())


def naive_number_features(items: list[Item], inner: np.ndarray) -> list[list[float]]:
    found = []
    for row, item in enumerate(items):
        others = [items[n] for n in known_to(row, inner)]
        logs = [math.log(float(o.question.answer)) for o in others]
        same = [v for v, o in zip(logs, others, strict=True) if o.things == item.things]
        mean = (sum(same) + 3 * fmean(logs)) / (len(same) + 3)
        spread = float(np.std(same)) if len(same) > 1 else -1.0
        count = math.log1p(len(same))
        found.append([mean, count, spread, mean, mean, mean, count, spread])
    return found


def test_numbers_agree_with_an_independent_computation() -> None:
    items = items_of(sizes(1, scenes=12, by_thing=True), RUBRIC)
    made = stress([i.question for i in items], RUBRIC, SMALL)
    truths = np.asarray([float(i.question.answer) for i in items])
    values = np.unique(truths)
    kernel = np.exp(-0.5 * ((np.log(values)[:, None] - np.log(values)) / 0.1) ** 2)
    gains = np.asarray([[MRA.of(guess, truth) for truth in values] for guess in values])
    smooth = gains @ (kernel / kernel.sum(1, keepdims=True)).T
    answers = by_number.answers_of(items, NUMBER)
    for held in range(SMALL.folds):
        inner = inner_folds(items, held)
        naive = np.asarray(naive_number_features(items, inner))
        ours, _ = by_number.matrix(by_number.features_of(answers), inner)
        np.testing.assert_allclose(ours, naive, atol=1e-7)
        fitted = inner >= 0
        forest = RandomForestRegressor(6, min_samples_leaf=5, random_state=SMALL.seed)
        forest.fit(naive[fitted], np.log(truths)[fitted])
        leaves = forest.apply(naive)
        for row in np.flatnonzero(~fitted):
            expected = np.zeros(len(values))
            for tree in range(6):
                near = [n for n in np.flatnonzero(fitted) if leaves[n, tree] == leaves[row, tree]]
                where = np.searchsorted(values, truths[near])
                expected += smooth[:, where].mean(axis=1)
            given = float(made.guesses[BY_SCENE][row].answer)
            assert expected[np.searchsorted(values, given)] == pytest.approx(expected.max())


@pytest.mark.parametrize("kind", [RANDOM, BY_SCENE])
def test_no_feature_reads_the_answers_that_are_held_out(kind: str) -> None:
    """Nor, for a fitted row, its own: the features stay when the answers change."""
    before = items_of(choices(2, scenes=10), RUBRIC)
    outer = folds_of([i.scene for i in before], 3, kind, 7)
    turned = [
        replace(i.question, answer="ABCD"["ABCD".index(i.question.answer) - 1])
        if fold == 0
        else i.question
        for i, fold in zip(before, outer, strict=True)
    ]
    inner = np.where(outer == 0, -1, outer)
    pairs = []
    for items in (before, items_of(turned, RUBRIC)):
        slots = by_choice.slots_of(items)
        pairs.append(by_choice.matrix(slots, by_choice.features_of(slots), inner)[0])
    np.testing.assert_array_equal(pairs[0], pairs[1])


def test_constants_are_those_of_the_other_scenes() -> None:
    questions = sizes(3, scenes=10)
    made = stress(questions, RUBRIC, SMALL)
    items = list(made.items)
    outer = folds_of([i.scene for i in items], SMALL.folds, BY_SCENE, SMALL.seed)
    for row, item in enumerate(items):
        known = [i.question.answer for i, f in zip(items, outer, strict=True) if f != outer[row]]
        truth = float(item.question.answer)
        common = max(sorted(set(known)), key=Counter(known).__getitem__)
        best = max(
            sorted(set(known), key=float),
            key=lambda a: sum(MRA.of(float(a), float(t)) for t in known),
        )
        assert made.constants["frequent"][row] == pytest.approx(MRA.of(float(common), truth))
        assert made.constants["constant"][row] == pytest.approx(MRA.of(float(best), truth))
        mean = fmean(MRA.of(float(a), truth) for a in known)
        assert made.constants["chance"][row] == pytest.approx(mean)


def mean_of(made: Stress, kind: str) -> float:
    return score_run(made.grades(kind), model="m", rubric=made.rubric, resamples=100).overall.mean


@pytest.mark.parametrize(
    ("right", "named"),
    [
        (longest, by_choice.LENGTH),
        (third, by_choice.PLACE),
        (first_by_name, by_choice.RIVALS),
    ],
)
def test_a_planted_shortcut_is_found_and_named(right: Answer, named: str) -> None:
    made = stress(choices(4, scenes=60, right=right), RUBRIC, Settings(trees=30))
    assert mean_of(made, BY_SCENE) > 75
    assert telling(made, CHOICE)[0][0] == named
    reasons = Counter(made.reason(n).partition(" (")[0] for n in range(len(made.items)))
    del reasons[SEVERAL]  # a text that wins against each other one also wins by itself
    assert reasons.most_common(1)[0][0] == named


def test_numbers_that_a_thing_gives_away_are_found_and_named() -> None:
    made = stress(sizes(4, scenes=60, by_thing=True), RUBRIC, Settings(trees=20))
    assert mean_of(made, BY_SCENE) > 75
    assert telling(made, NUMBER)[0][0] == "what is asked about"
    reasons = [made.reason(n) for n in range(len(made.items))]
    assert Counter(reasons).most_common(1)[0][0].startswith("what is asked about (thing")


def in_order(number: int, order: list[str], *, right: int) -> Question:
    """An order question about four things, whose options are rotations of an order."""
    turns = [order[k:] + order[:k] for k in range(4)]
    turns = turns[-right:] + turns[:-right] if right else turns
    return Question(
        id=str(number),
        video=f"v{number // 2}",
        task="obj_appearance_order",
        text=f"In what order do these appear: {', '.join(sorted(order))}?",
        options=tuple(f"{a}. {', '.join(t)}" for a, t in zip("ABCD", turns, strict=True)),
        answer="ABCD"[right],
    )


def test_an_order_that_is_always_the_same_is_found_and_named() -> None:
    rng = np.random.default_rng(0)
    names = ["door", "bed", "lamp", "sofa", "tv", "window"]
    questions = [
        in_order(n, [names[i] for i in sorted(rng.choice(6, 4, replace=False))], right=n % 4)
        for n in range(80)
    ]
    made = stress(questions, VSI, Settings(trees=20))
    assert mean_of(made, BY_SCENE) > 90
    assert telling(made, VSI.tasks[-1])[0][0] == by_choice.PARTS


def test_without_a_shortcut_the_forest_is_at_chance() -> None:
    """Its 95% intervals hold chance nearly as often as they should, in 200 benchmarks."""
    settings, held, means = Settings(folds=3, trees=4), 0, []
    for seed in range(200):
        questions = choices(seed)
        made = stress(
            questions, RUBRIC, replace(settings, seed=seed), kinds=(BY_SCENE,), reasons=False
        )
        score = score_run(made.grades(BY_SCENE), model="m", rubric=made.rubric, resamples=500)
        held += score.overall.low <= 25 <= score.overall.high
        means.append(score.overall.mean)
    assert fmean(means) == pytest.approx(25, abs=1.0)
    assert held >= 180  # 190 at exactly 95%, with a standard deviation of 3


def test_numbers_without_a_shortcut_score_as_the_best_constant() -> None:
    gaps = []
    for seed in range(12):
        made = stress(sizes(seed), RUBRIC, replace(SMALL, seed=seed), reasons=False)
        gaps.append(mean_of(made, BY_SCENE) - mean_of(made, "constant"))
    assert abs(fmean(gaps)) < 3


def test_things_are_what_differs_between_the_questions_of_a_type() -> None:
    rows = [
        ("How many table(s) are in this room?", ("table",)),
        ("How many shoe rack(s) are in this room?", ("shoe rack",)),
        ("How many chair(s) are in this room?", ("chair",)),
        ("How many bed(s) are in this room?", ("bed",)),
    ]
    asked = [
        {
            "id": n,
            "video": "v",
            "question_type": "object_counting",
            "question": text,
            "ground_truth": 2,
        }
        for n, (text, _) in enumerate(rows)
    ]
    items = items_of(read_records("rows", [("row", row) for row in asked]), VSI)
    assert [item.things for item in items] == [things for _, things in rows]
    assert median_low([len(item.things) for item in items]) == 1
