"""What a benchmark grades and how its scores are averaged: tasks, metrics and overall scores.

A run folder records its benchmark's rubric, so that it can be graded without the benchmark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vicabench.errors import DataError
from vicabench.metrics import CHOICE, EXACT_MATCH, KINDS, MRA, NUMERIC, Metric, metric_of

MACRO, MICRO, WEIGHTED, VARIANTS = "macro", "micro", "weighted", "variants"
MEANS = (MACRO, MICRO, WEIGHTED, VARIANTS)
OFFICIAL = "official"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A column of the table; `types` are the question types whose unweighted mean is its score.

    Attributes:
        name: The name in files and on the command line.
        title: The name in tables and figures.
        unit: The unit of a number, empty for none.
        kind: One of `vicabench.metrics.KINDS`.
        types: The question types; by default the name alone.
        metric: The score in [0, 1]; by default mean relative accuracy for numbers, else exact
            match.
        beside: Metrics that are reported beside the score and enter no average.
    """

    name: str
    title: str = ""
    unit: str = ""
    kind: str = CHOICE
    types: tuple[str, ...] = ()
    metric: Metric | None = None
    beside: tuple[Metric, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            kinds = ", ".join(KINDS)
            raise DataError(f"the kind of the task {self.name} must be {kinds}, not {self.kind!r}.")
        given = {"title": self.title or self.name, "types": self.types or (self.name,)}
        for key, value in given.items():
            object.__setattr__(self, key, value)
        if self.unit and self.kind != NUMERIC:
            raise DataError(f"the task {self.name} has a unit ({self.unit}) but is {self.kind}.")
        score = self.metric or (MRA if self.kind == NUMERIC else EXACT_MATCH)
        object.__setattr__(self, "metric", score)
        for metric in (score, *self.beside):
            if self.kind not in metric.kinds:
                raise DataError(
                    f"the metric {metric.name} is for {', '.join(metric.kinds)}; the task "
                    f"{self.name} is {self.kind}."
                )
        if score.is_error:
            raise DataError(
                f"the metric {score.name} of the task {self.name} is an error, which an unanswered "
                "question does not have. Name it under `beside`, and a score as the metric."
            )

    @property
    def scored_by(self) -> Metric:
        """The metric, which is never None once the task exists."""
        return self.metric or EXACT_MATCH

    def to_json(self) -> dict[str, Any]:
        """The task as JSON values, which `task_of` reads."""
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "kind": self.kind,
            "types": list(self.types),
            "metric": self.scored_by.to_json(),
            "beside": [metric.to_json() for metric in self.beside],
        }


@dataclass(frozen=True, kw_only=True)
class Overall:
    """One number for a whole run.

    Attributes:
        name: The name in files; the first of a rubric is the headline score.
        title: The name in tables.
        how: `macro`, the unweighted mean over `groups`; `weighted`, by the `weights` of the tasks;
            `micro`, the mean over questions; or `variants`, the share of groups of questions
            (`Question.group`) of which at least `at_least` are right.
        groups: Names of tasks; a group's score is the unweighted mean of its tasks. By default
            each task is a group.
        weights: A weight for each task of a weighted mean.
        at_least: For `variants`.
    """

    name: str = "average"
    title: str = "Avg."
    how: str = MACRO
    groups: tuple[tuple[str, ...], ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    at_least: int = 0

    def __post_init__(self) -> None:
        if self.how not in MEANS:
            raise DataError(
                f"the overall score {self.name} must be one of {', '.join(MEANS)}, not "
                f"{self.how!r}."
            )
        positive = all(0 < weight < math.inf for _, weight in self.weights)
        if (self.how == WEIGHTED) != bool(self.weights) or not positive:
            raise DataError(
                f"the overall score {self.name}: a weighted mean needs weights above 0, and no "
                "other has any."
            )
        if self.groups and (self.how != MACRO or not all(self.groups)):
            raise DataError(
                f"the overall score {self.name}: `groups`, of a task or more each, belong to a "
                "macro score, and to no other."
            )
        if (self.how == VARIANTS) != (self.at_least > 0):
            raise DataError(
                f"the overall score {self.name}: `at_least`, from 1 on, belongs to the score of "
                "variants, and to no other."
            )

    def to_json(self) -> dict[str, Any]:
        """The score as JSON values, which `overall_of` reads."""
        return {
            "name": self.name,
            "title": self.title,
            "how": self.how,
            **({"groups": [list(group) for group in self.groups]} if self.groups else {}),
            **({"weights": dict(self.weights)} if self.weights else {}),
            **({"at_least": self.at_least} if self.at_least else {}),
        }


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """The tasks of a benchmark in the order of its table, and its overall scores.

    `official` names the protocol by which the benchmark's own code reads replies.
    """

    tasks: tuple[Task, ...]
    overall: tuple[Overall, ...] = (Overall(),)
    official: str = OFFICIAL

    def __post_init__(self) -> None:
        if not self.tasks or not self.overall:
            raise DataError("a benchmark needs a task and an overall score.")
        _refuse_repeated("task", [task.name for task in self.tasks])
        _refuse_repeated("question type", [kind for task in self.tasks for kind in task.types])
        _refuse_repeated("overall score", [overall.name for overall in self.overall])
        known = [task.name for task in self.tasks]
        for overall in self.overall:
            named = [*(n for group in overall.groups for n in group), *dict(overall.weights)]
            if strangers := [name for name in named if name not in known]:
                raise DataError(
                    f"the overall score {overall.name} names {', '.join(strangers)}, which is not "
                    f"a task. Tasks are {', '.join(known)}."
                )

    @cached_property
    def of_type(self) -> Mapping[str, Task]:
        """The task of each question type."""
        return {kind: task for task in self.tasks for kind in task.types}

    @property
    def types(self) -> tuple[str, ...]:
        """All question types, in the order of the tasks."""
        return tuple(self.of_type)

    @property
    def headline(self) -> Overall:
        """The overall score that stands for a run."""
        return self.overall[0]

    def named(self, name: str) -> Task | None:
        """The task of this name."""
        return next((task for task in self.tasks if task.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """The rubric as JSON values, which `rubric_of` reads."""
        return {
            "tasks": [task.to_json() for task in self.tasks],
            "overall": [overall.to_json() for overall in self.overall],
            "official": self.official,
        }


def _refuse_repeated(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"the {what} {name!r} is there twice. Names are unique.")


def _numeric(name: str, title: str, unit: str) -> Task:
    return Task(name=name, title=title, unit=unit, kind=NUMERIC)


DIRECTIONS = tuple(f"object_rel_direction_{level}" for level in ("easy", "medium", "hard"))
VSI = Rubric(
    tasks=(
        _numeric("object_counting", "Obj. Count", "objects"),
        _numeric("object_abs_distance", "Abs. Dist.", "m"),
        _numeric("object_size_estimation", "Obj. Size", "cm"),
        _numeric("room_size_estimation", "Room Size", "m²"),
        Task(name="object_rel_distance", title="Rel. Dist."),
        Task(name="object_rel_direction", title="Rel. Dir.", types=DIRECTIONS),
        Task(name="route_planning", title="Route Plan"),
        Task(name="obj_appearance_order", title="Appr. Order"),
    )
)
"""The tasks in the column order of the VSI-Bench paper (arXiv 2412.14171, Table 1).

Rooms and questions of these types have the same rubric; so have run folders that record none.
"""

_TASK = ("name", "title", "unit", "kind", "types", "metric", "beside")
_OVERALL = ("name", "title", "how", "groups", "weights", "at_least")
_RUBRIC = ("tasks", "overall", "official")


def rubric_of(value: Any) -> Rubric:
    """The rubric in a JSON or YAML value.

    Raises:
        DataError: For an unknown key, metric or kind, or a value of the wrong type.
    """
    given = _known(value, _RUBRIC, "a rubric")
    tasks = [task_of(task) for task in _list(given.get("tasks"), "tasks")]
    overall = [overall_of(each) for each in _list(given.get("overall") or [{}], "overall")]
    return Rubric(
        tasks=tuple(tasks),
        overall=tuple(overall),
        official=_text(given.get("official", OFFICIAL), "official"),
    )


def task_of(value: Any) -> Task:
    """The task in a JSON or YAML value: its name, or an object; raises DataError."""
    if isinstance(value, Task):
        return value
    given = _known({"name": value} if isinstance(value, str) else value, _TASK, "a task")
    name = _text(given.get("name"), "the name of a task")
    where = f"of the task {name}"
    unit = _text(given.get("unit") or "", f"the unit {where}", empty=True)
    usual = NUMERIC if unit else CHOICE
    kind = usual if given.get("kind") is None else given["kind"]
    metric = given.get("metric")
    return Task(
        name=name,
        title=_text(given.get("title") or name, f"the title {where}"),
        unit=unit,
        kind=_text(kind, f"the kind {where}"),
        types=tuple(_text(t, f"a type {where}") for t in _of(given, "types", where, [name])),
        metric=None if metric is None else _metric(metric, where),
        beside=tuple(_metric(m, where) for m in _of(given, "beside", where, [])),
    )


def overall_of(value: Any) -> Overall:
    """The overall score in a JSON or YAML value: its kind, or an object; raises DataError."""
    given = _known({"how": value} if isinstance(value, str) else value, _OVERALL, "overall")
    how = _text(given.get("how") or MACRO, "the kind of an overall score")
    usual = {MICRO: ("micro", "Micro"), VARIANTS: ("variants", "Groups")}
    name, title = usual.get(how, ("average", "Avg."))
    weights = given.get("weights") or {}
    if not isinstance(weights, Mapping) or not all(_is_number(w) for w in weights.values()):
        raise DataError(f"the weights of an overall score map tasks to numbers, not {weights!r}.")
    at_least = given.get("at_least") or 0
    if type(at_least) is not int:
        raise DataError(f"at_least must be a whole number, not {at_least!r}.")
    return Overall(
        name=_text(given.get("name") or name, "the name of an overall score"),
        title=_text(given.get("title") or title, "the title of an overall score"),
        how=how,
        groups=tuple(map(_group, _list(given.get("groups") or [], "the groups"))),
        weights=tuple((str(task), float(weight)) for task, weight in weights.items()),
        at_least=at_least,
    )


def _group(value: Any) -> tuple[str, ...]:
    tasks = _list(value, "a group of an overall score")
    return tuple(_text(task, "a task in a group of an overall score") for task in tasks)


def _of(given: Mapping[str, Any], key: str, where: str, usual: list[Any]) -> list[Any]:
    return _list(given.get(key) or usual, f"`{key}` {where}")


def _metric(value: Any, where: str) -> Metric:
    try:
        return metric_of(value)
    except DataError as error:
        raise DataError(f"a metric {where}: {error}") from None


def _known(value: Any, keys: Sequence[str], what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError(f"{what} is an object with {', '.join(keys)}, not {str(value)[:80]!r}.")
    if unknown := [str(key) for key in value if key not in keys]:
        raise DataError(
            f"{what} has no key {', '.join(map(repr, unknown))}. Keys are {', '.join(keys)}."
        )
    return value


def _list(value: Any, what: str) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise DataError(f"{what} must be a list, not {str(value)[:80]!r}.")
    return list(value)


def _text(value: Any, what: str, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (empty or value.strip()):
        raise DataError(f"{what} must be a text, not {str(value)[:80]!r}.")
    return value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def kinds_of(tasks: Sequence[Task]) -> Iterator[str]:
    """The kinds among these tasks, each once, in the order of `KINDS`."""
    return (kind for kind in KINDS if any(task.kind == kind for task in tasks))
