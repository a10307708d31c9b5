"""Every version of a harness gives each reply, and all together, the score of its own code."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.harnesses.generated import OPTIONS, Case, cases
from vicabench.errors import ConfigError
from vicabench.harnesses.protocols import RELEASES, find_protocol, find_protocols
from vicabench.results.run import Run, run_of_rows

# Written by running the functions of each harness, at the commit in `source`, on `cases()`.
FILE = Path(__file__).parent.parent / "fixtures" / "harnesses" / "graded.json"
GRADED: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
TENTHS = "0123456789A"
"""The score of a reply as one character: `A` is 1."""


@cache
def run() -> Run:
    return run_of_rows([row(place, case) for place, case in enumerate(cases())], "generated")


def row(place: int, case: Case) -> dict[str, Any]:
    return {
        "id": str(place),
        "video": case.video,
        "question_type": case.task,
        "ground_truth": case.truth,
        "options": None if case.truth[0].isdigit() else list(OPTIONS),
        "response": case.reply,
    }


def test_the_replies_are_those_that_were_graded() -> None:
    spelled = json.dumps([[c.task, c.video, c.truth, c.reply] for c in cases()])
    assert hashlib.sha256(spelled.encode()).hexdigest() == GRADED["replies_sha256"]
    named = {f"{family}@{v}" for family, versions in RELEASES.items() for v in versions}
    assert set(GRADED["protocols"]) == named


@pytest.mark.parametrize("name", GRADED["protocols"])
def test_each_reply_gets_the_score_of_the_harness(name: str) -> None:
    theirs = GRADED["protocols"][name]["scores"]
    grades = run().grades(find_protocol(name))
    differing = [
        (case.task, case.truth, case.reply, grade.score, score)
        for case, grade, score in zip(cases(), grades, theirs, strict=True)
        if grade.score != TENTHS.index(score) / 10
    ]
    assert differing == []


@pytest.mark.parametrize("name", GRADED["protocols"])
def test_all_replies_get_the_average_of_the_harness(name: str) -> None:
    theirs = GRADED["protocols"][name]
    scores = run().scores(find_protocol(name))
    # Spatial-MLLM averages scores in single precision.
    near = 1e-6 if name.startswith("spatial-mllm") else 1e-9
    assert scores.overall.mean == pytest.approx(theirs["overall"], abs=near)
    ours = {task: estimate.mean for task, estimate in scores.tasks.items()}
    for task, mean in theirs["tasks"].items():
        assert ours[task] == pytest.approx(mean, abs=near), task
    assert scores.micro.mean == pytest.approx(theirs.get("micro", scores.micro.mean), abs=near)
    types = {kind: scores.types[kind].mean for kind in theirs.get("types", ())}
    assert types == pytest.approx(theirs.get("types", {}), abs=near)


def test_only_the_versions_of_one_harness_differ_as_published() -> None:
    scores = {name: graded["scores"] for name, graded in GRADED["protocols"].items()}
    assert scores["lmms-eval@0.3.4"] == scores["lmms-eval@0.6"] == scores["official@51e089c"]
    assert scores["lmms-eval@0.7.1"] == scores["lmms-eval@0.7.2"] != scores["lmms-eval@0.7.3"]
    means = {name: graded["overall"] for name, graded in GRADED["protocols"].items()}
    assert means["lmms-eval@0.7.2"] == round(means["lmms-eval@0.7.1"], 4)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("lmms-eval", "lmms-eval@0.7.3"),
        ("lmms-eval@0.5.0", "lmms-eval@0.3.4"),
        ("lmms-eval@0.6.1", "lmms-eval@0.6"),
        ("vlmevalkit", "vlmevalkit@VsiBench"),
        ("official", "official@51e089c"),
        ("extracted", "extracted"),
    ],
)
def test_a_bare_name_is_its_newest_version(name: str, full: str) -> None:
    assert find_protocol(name).name == full
    assert [one.name for one in find_protocols(f"{name}, {full}")] == [full]


@pytest.mark.parametrize(
    ("name", "said"),
    [("lmms-eval@0.1", "lmms-eval@0.7.2"), ("extracted@2", "no versions"), ("vlm", "vlmevalkit")],
)
def test_an_unknown_version_names_those_there_are(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find_protocol(name)


def test_a_micro_protocol_scores_the_mean_over_questions() -> None:
    scores = run().scores(find_protocol("vlmevalkit@VSIBench"))
    assert scores.overall.mean == scores.micro.mean
    assert scores.rubric.headline.title == "Micro"
    assert run().scores(find_protocol("vlmevalkit")).rubric.headline.title == "Avg."
