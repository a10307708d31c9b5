"""The parts of a difference of scores: their definition, their sum and their intervals."""

from itertools import permutations
from statistics import fmean

import pytest

from tests.harnesses.generated import cases
from tests.harnesses.test_versions import row, run
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.results.run import Run, run_of_rows
from vicabench.scoring.compare import compare_runs
from vicabench.scoring.parts import (
    FACTORS,
    HEADLINE,
    Averaging,
    Combination,
    Split,
    combinations,
    split,
)
from vicabench.types import Grade

OFFICIAL, MICRO = find_protocol("official"), find_protocol("vlmevalkit@VSIBench")
LATER = find_protocol("lmms-eval@0.7.3")


def other() -> Run:
    """Run B: the truth in place of every third reply."""
    rows = [row(place, case) for place, case in enumerate(cases())]
    return run_of_rows(
        [r | ({"response": r["ground_truth"]} if i % 3 == 0 else {}) for i, r in enumerate(rows)],
        "other",
    )


def splits(a: Run, b: Run, first: Protocol, second: Protocol) -> dict[str, Split]:
    rules = (first, second)
    graded: dict[Combination, list[Grade]] = {
        (asked, read, averaged): (a, b)[asked].grades(rules[read].averaged_as(rules[averaged]))
        for asked, read, averaged in combinations(3)
    }
    sides = [Averaging(rubric=rule.rubric(a.rubric), rounded=rule.rounded) for rule in rules]
    return split(graded, (sides[0], sides[1]), resamples=400)


@pytest.mark.parametrize("second", [MICRO, LATER])
def test_a_part_is_the_mean_over_the_orders_of_change(second: Protocol) -> None:
    runs, rules = (run(), other()), (OFFICIAL, second)

    def score(side: list[int]) -> float:
        rule = rules[side[1]].averaged_as(rules[side[2]])
        return runs[side[0]].scores(rule).overall.mean

    added: dict[str, list[float]] = {name: [] for name in FACTORS}
    for order in permutations(range(3)):
        side = [0, 0, 0]
        for factor in order:
            before = score(side)
            side[factor] = 1
            added[FACTORS[factor]].append(score(side) - before)
    found = splits(*runs, *rules)[HEADLINE]
    for name in FACTORS:
        assert found.parts[name].mean == pytest.approx(fmean(added[name]), abs=1e-9)
    assert found.score_a == pytest.approx(run().scores(OFFICIAL).overall.mean)
    assert found.score_b == pytest.approx(other().scores(second).overall.mean)


def test_the_parts_of_every_score_add_up_to_its_difference() -> None:
    for one in splits(run(), other(), OFFICIAL, MICRO).values():
        assert sum(part.mean for part in one.parts.values()) == one.difference.mean
        assert one.difference.mean == pytest.approx(one.score_b - one.score_a, abs=1e-9)


def test_only_what_differs_has_a_part() -> None:
    def parts(found: dict[str, Split]) -> list[bool]:
        return [found[HEADLINE].parts[name].mean != 0 for name in FACTORS]

    assert parts(splits(run(), other(), OFFICIAL, OFFICIAL)) == [True, False, False]
    assert parts(splits(run(), run(), OFFICIAL, find_protocol("lmms-eval@0.7.1"))) == [
        *(False, True, False)
    ]
    strict = OFFICIAL.averaged_as(MICRO)
    assert parts(splits(run(), run(), OFFICIAL, strict)) == [False, False, True]


def test_the_interval_of_asking_alone_is_that_of_a_comparison() -> None:
    found = splits(run(), other(), OFFICIAL, OFFICIAL)
    compared = compare_runs(
        *(one.grades(OFFICIAL) for one in (run(), other())), model_a="a", model_b="b", resamples=400
    )
    for name, difference in {HEADLINE: compared.overall, **compared.tasks}.items():
        part, theirs = found[name].parts["asking"], difference.estimate
        assert (part.low, part.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        assert (part.count, part.clusters) == (theirs.count, theirs.clusters)


def test_combinations_of_different_questions_are_refused() -> None:
    graded = {c: run().grades(OFFICIAL) for c in combinations(3)}
    graded[0, 0, 1] = graded[0, 0, 1][:-1]
    side = Averaging(rubric=run().rubric)
    with pytest.raises(ValueError, match="same questions"):
        split(graded, (side, side))
