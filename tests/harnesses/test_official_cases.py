"""Replies get the scores that the released code of each benchmark gives them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harnesses.replies import grade_reply
from vicabench.rubric import Rubric, rubric_of
from vicabench.scoring.stats import score_run
from vicabench.types import Grade

CASES = Path(__file__).parent.parent / "fixtures" / "official_cases"
RUBRICS = {
    name: rubric_of(value)
    for name, value in json.loads((CASES / "rubrics.json").read_text(encoding="utf-8")).items()
}
OPTIONS = ("A. front-left", "B. left", "C. behind", "D. right", "E. 3.5 m")
FILES = {
    "revsi": ("revsi", "revsi"),
    "vsti-bench": ("vsti-bench", "official"),
    "osi-bench": ("osi-bench", "osi-bench"),
    "sti-bench": ("sti-bench", "sti-bench"),
    "dsi-bench": ("dsi-bench", "dsi-bench"),
    "vsi-super": ("vsi-super", "vsi-super"),
    "cambrian-s": ("vsi-super", "official"),
}
"""The rubric and the protocol that grade the cases of a file."""
# File and reply where we differ on purpose, and why.
DIFFERING = {
    # It overflows to -inf, below 0.3, and is right where the truth is 0. For us it is unreadable.
    ("osi-bench", "-" + 400 * "9"),
    # No reply at all is read as 0, and so right where the truth is 0. For us it is a failure.
    ("vsi-super", None),
    # The authors of VSI-SUPER call `float`; our official protocol takes the first word, here empty.
    ("cambrian-s", " 5"),
}


def lines(file: str) -> list[Any]:
    text = (CASES / f"{file}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def graded(case: list[Any], rubric: Rubric, protocol: str, group: str = "") -> Grade:
    kind, count, truth, reply, *_ = case
    return grade_reply(
        protocol, kind, reply, truth, options=OPTIONS[:count], rubric=rubric, group=group
    )


def readable(file: str, read: str | None, count: int) -> str | None:
    """What the released code read, if it is a number or can be equal to an option's letter."""
    letters = set("ABCDE"[:count]) | set("" if file == "osi-bench" else "abcde"[:count])
    return None if read is None or (count and read not in letters) else read


@pytest.mark.parametrize("file", FILES)
def test_every_reply_is_scored_as_by_the_released_code(file: str) -> None:
    rubric, protocol = FILES[file]
    found = {}
    for case in lines(file):
        if (file, case[3]) not in DIFFERING:
            grade = graded(case, RUBRICS[rubric], protocol)
            found[json.dumps(case)] = grade.score
    assert len(found) >= 200
    assert {case: score for case, score in found.items() if score != json.loads(case)[5]} == {}


@pytest.mark.parametrize("file", [name for name in FILES if name != "revsi"])
def test_every_reply_is_read_as_by_the_released_code(file: str) -> None:
    rubric, protocol = FILES[file]
    wrong = []
    for case in lines(file):
        kind, count, _, reply, read, _ = case
        grade = graded(case, RUBRICS[rubric], protocol)
        if RUBRICS[rubric].of_type[kind].kind != "free" and (file, reply) not in DIFFERING:
            wrong += [(case, grade.read)] if grade.read != readable(file, read, count) else []
    assert wrong == []


@pytest.mark.parametrize("given", lines("means"), ids=lambda given: given["rubric"])
def test_means_are_those_of_the_released_code(given: dict[str, Any]) -> None:
    rows, rubric = lines(given["fixture"]), RUBRICS[given["rubric"]]
    groups = [[n] if isinstance(n, int) else n for n in given["cases"]]
    grades = [
        replace(graded(rows[n], rubric, given["protocol"], str(place)), id=f"{place} {at}")
        for place, group in enumerate(groups)
        for at, n in enumerate(group)
    ]
    scores = score_run(grades, model="m", rubric=rubric, resamples=10)
    found = {**scores.types, **scores.tasks, **scores.further, rubric.headline.name: scores.overall}
    means = {name: found[name].mean / 100 for name in given["means"]}
    assert means == pytest.approx(given["means"], rel=1e-12)
