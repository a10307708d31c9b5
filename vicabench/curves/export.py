"""The numbers of scaling curves as CSV rows and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from vicabench.curves.measure import AVERAGE, CURVE_COLUMNS, Row, Series
from vicabench.errors import csv_text
from vicabench.reference import Curve, Published, ThinkingPoint
from vicabench.rubric import VSI
from vicabench.scoring.stats import record_of

__all__ = [
    "AVERAGES_COLUMNS",
    "CURVE_COLUMNS",
    "THINKING_COLUMNS",
    "as_csv",
    "as_json",
    "averages_rows",
    "curve_rows",
    "thinking_rows",
]

THINKING_COLUMNS = (
    "model", "percent", "valid_outputs", "direct_answers", "via_thoughts",
    *(task.name for task in VSI.tasks), AVERAGE, "questions", "protocol", "source",
)  # fmt: skip
AVERAGES_COLUMNS = ("model", "group", "source", AVERAGE, *(task.name for task in VSI.tasks))


def curve_rows(series: Sequence[Series], published: Sequence[Curve] = ()) -> list[Row]:
    """One row per checkpoint and column: the average, micro, and every task; then published ones.

    Rows of published points have a source, and neither interval nor counts.
    """
    rows = [row for one in series for row in one.rows()]
    return rows + [row for curve in published for row in _printed(curve)]


def thinking_rows(series: Sequence[Series], published: Sequence[ThinkingPoint] = ()) -> list[Row]:
    """One row per checkpoint of a Thinking series: the kinds of its replies, and its scores."""
    ours = [
        {
            "model": point.model,
            "percent": point.percent,
            "valid_outputs": point.adoption.valid_outputs,
            "direct_answers": point.adoption.direct_answers,
            "via_thoughts": point.adoption.via_thoughts,
            **{name: cell.mean for name, cell in point.scores.tasks.items()},
            AVERAGE: point.scores.overall.mean,
            "questions": point.adoption.questions,
            "protocol": point.scores.protocol,
        }
        for one in series
        for point in one.points
        if point.adoption
    ]
    theirs = [
        {
            "model": point.model,
            "percent": point.percent,
            "valid_outputs": point.valid_outputs,
            "direct_answers": point.direct_answers,
            "via_thoughts": point.via_thoughts,
            **point.tasks,
            AVERAGE: point.overall,
            "source": point.source,
        }
        for point in published
    ]
    return ours + theirs


def averages_rows(published: Sequence[Published]) -> list[Row]:
    """One row per published model: its average and tasks, as printed."""
    return [
        {
            "model": row.model,
            "group": row.group,
            "source": row.source,
            AVERAGE: row.overall,
            **row.tasks,
        }
        for row in published
    ]


def as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """The rows as CSV; missing values and NaN are empty."""
    shown = ({k: "" if _is_nan(value) else value for k, value in row.items()} for row in rows)
    return csv_text(columns, shown)


def as_json(series: Sequence[Series], published: Sequence[Curve] = ()) -> str:
    """Points, gaps, best point, fit, tail and verdict of every series, then published curves."""
    content = {
        "series": [_series(one) for one in series],
        "published": [asdict(curve) for curve in published],
    }
    return json.dumps(_without_nan(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _series(one: Series) -> Row:
    return {
        "series": one.name,
        "protocol": one.points[0].scores.protocol,
        "points": [{**asdict(p), "scores": record_of(p.scores)} for p in one.points],
        "gaps": {str(percent): why for percent, why in one.gaps.items()},
        "best": one.best.percent,
        "fit": asdict(one.fit) if one.fit else None,
        "last_quarter": {**asdict(one.tail), "verdict": one.tail.verdict} if one.tail else None,
    }


def _printed(curve: Curve) -> Iterator[Row]:
    averages = [point.average for point in curve.points]
    # Differences of printed figures have two decimals; what floats add to them is cut off.
    steps = ["", *(round(b - a, 2) for a, b in pairwise(averages))]
    for point, step in zip(curve.points, steps, strict=True):
        yield {
            "series": curve.series,
            "percent": point.percent,
            "task": AVERAGE,
            "score": point.average,
            "step": step,
            "source": point.source,
        }


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _without_nan(value: Any) -> Any:
    """Replace NaN by None, as JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if _is_nan(value) else value
