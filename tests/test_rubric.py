"""Rubrics as values: what a run folder records is read back, and what is wrong is refused."""

from typing import Any

import pytest

from vicabench.benchmarks import BENCHMARKS, find_benchmark
from vicabench.benchmarks.published import Published
from vicabench.errors import DataError
from vicabench.metrics import EXACT_MATCH, MRA
from vicabench.rubric import VSI, Rubric, rubric_of, task_of

PUBLISHED = [
    rubric
    for name in BENCHMARKS
    if isinstance(found := find_benchmark(name), Published)
    for rubric in (found.rubric, *found.rubrics.values())
]
OWN = rubric_of(
    {
        "tasks": [
            {"name": "far", "title": "Far", "unit": "m", "types": ["near", "distant"]},
            {"name": "seen", "kind": "yes/no", "beside": ["chance-corrected"]},
            "which",
        ],
        "overall": [
            {"how": "weighted", "weights": {"far": 3, "seen": 1}},
            "micro",
            {"name": "groups", "groups": [["far", "seen"], ["which"]]},
            {"how": "variants", "at_least": 3},
        ],
    }
)


@pytest.mark.parametrize("rubric", [VSI, OWN, *PUBLISHED])
def test_what_is_recorded_is_read_back(rubric: Rubric) -> None:
    assert rubric_of(rubric.to_json()) == rubric


def test_defaults_follow_from_the_name_and_the_unit() -> None:
    far, which = task_of({"name": "far", "unit": "m"}), task_of("which")
    assert (far.kind, far.title, far.types, far.scored_by) == ("numeric", "far", ("far",), MRA)
    assert (which.kind, which.unit, which.scored_by) == ("choice", "", EXACT_MATCH)
    assert [task.name for task in OWN.tasks if "distant" in task.types] == ["far"]
    assert OWN.of_type["near"] is OWN.tasks[0]
    assert [each.name for each in OWN.overall] == ["average", "micro", "groups", "variants"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tasks": []}, "a benchmark needs a task"),
        ({"tasks": ["a", {"name": "b", "types": ["a"]}]}, "the question type 'a' is there twice"),
        ({"overall": ["macro", "macro"]}, "the overall score 'average' is there twice"),
        ({"overall": [{"groups": [["b", "c"]]}]}, "names b, c, which is not a task. Tasks are a"),
        ({"metrics": []}, "a rubric has no key 'metrics'"),
    ],
)
def test_a_rubric_that_contradicts_itself_is_refused(
    changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DataError) as error:
        rubric_of({"tasks": ["a"]} | changes)
    assert complaint in str(error.value)
