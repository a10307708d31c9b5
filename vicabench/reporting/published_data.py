"""Published results for machines: flat records, one a row, for CSV and JSON alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vicabench.reference import (
    Curve,
    Published,
    ThinkingPoint,
    ZooModel,
    citations,
)
from vicabench.reference.scores import macro
from vicabench.text import csv_text
from vicabench.types import TASKS

Record = dict[str, Any]


def score_records(rows: Sequence[Published]) -> list[Record]:
    """A record a published row; what is not printed is None."""
    return [
        {
            "model": row.model,
            "group": row.group,
            "set": row.on,
            "average": row.overall,
            "mean_of_tasks": _rounded(macro(row.tasks)),
            "average_is_mean_of_tasks": _judged(row),
            **_tasks(row.tasks),
            **_source(row.source),
        }
        for row in rows
    ]


def thinking_records(points: Sequence[ThinkingPoint]) -> list[Record]:
    """A record a checkpoint of the Thinking series."""
    return [
        {
            "model": point.model,
            "percent": point.percent,
            "valid_outputs": point.valid_outputs,
            "direct_answers": point.direct_answers,
            "via_thoughts": point.via_thoughts,
            "average": point.overall,
            **_tasks(point.tasks),
            **_source(point.source),
        }
        for point in points
    ]


def curve_records(curves: Sequence[Curve]) -> list[Record]:
    """A record a point of a scaling curve."""
    return [
        {
            "series": curve.series,
            "dataset": curve.dataset,
            "percent": point.percent,
            "average": point.average,
            **_source(point.source),
        }
        for curve in curves
        for point in curve.points
    ]


def zoo_records(models: Sequence[ZooModel]) -> list[Record]:
    """A record a published checkpoint."""
    return [asdict(model) for model in models]


def records_csv(records: Sequence[Record]) -> str:
    """The records with their names as the first line; empty where there is nothing."""
    return csv_text(list(records[0]), records).rstrip("\n")


def records_json(records: Sequence[Record]) -> str:
    """The records as a list of objects."""
    return json.dumps(list(records), indent=2, ensure_ascii=False)


def _tasks(tasks: Mapping[str, float]) -> Record:
    return {task.name: tasks.get(task.name) for task in TASKS}


def _source(source: str) -> Record:
    found = citations([source])[0]
    return {"source": source, "citation": found.citation, "url": found.url}


def _judged(row: Published) -> bool | None:
    return None if row.overall is None or macro(row.tasks) is None else row.consistent


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
