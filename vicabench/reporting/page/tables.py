"""The tables of the page, as plain texts and numbers for the templates."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vicabench.audits.labels import FEWEST_RUNS, doubts_of, saw_videos
from vicabench.harnesses.protocols import Protocol
from vicabench.reference import Published
from vicabench.reporting.comparison import difference_text, p_text, rows_of, verdict
from vicabench.reporting.tables import (
    NONE,
    OVERALL,
    Columns,
    columns_for,
    estimate_of,
    mean_text,
    printed_text,
    range_text,
    sizes,
    source_marks,
)
from vicabench.results.disagreement import disagreement
from vicabench.results.run import Run
from vicabench.rubric import MICRO, Rubric
from vicabench.scoring.clusters import LEVEL
from vicabench.scoring.compare import Comparison, Difference
from vicabench.types import OUTCOMES, Estimate, Scores

Row = dict[str, Any]
MANY = 12  # kinds of errors shown


def cell(estimate: Estimate | None) -> Row:
    """Mean and interval as texts, and as numbers for the whisker if there is an interval."""
    if estimate is None or math.isnan(estimate.mean):
        return {"mean": NONE, "range": "", "whisker": None}
    whisker = None if math.isnan(estimate.low) else estimate
    return {"mean": mean_text(estimate), "range": range_text(estimate), "whisker": whisker}


def score_rows(rows: Sequence[Scores], columns: Columns) -> list[Row]:
    """One row per run: name, protocol, cells, and n below the last run that shares it."""
    return [
        {
            "model": row.model,
            "protocol": row.protocol,
            "cells": [cell(estimate_of(row, column)) for column, _ in columns],
            "sizes": _sizes(rows, place, columns),
        }
        for place, row in enumerate(rows)
    ]


MOST_DOUBTS = 50


def doubts(runs: Sequence[Run], rubric: Rubric, protocol: Protocol) -> Row:
    """Right answers in doubt, the strongest first, how many there are, and what was looked at."""
    questions = {question.id: question for run in runs for question in run.questions}
    grades = {run.name: run.grades(protocol) for run in runs if saw_videos(run)}
    found = doubts_of(list(questions.values()), rubric, grades)
    rows = [
        {"id": d.question.id, "type": d.question.task, "truth": d.question.answer, "why": d.why}
        for d in found[:MOST_DOUBTS]
    ]
    enough = len(grades) >= FEWEST_RUNS
    return {"doubts": rows, "all_doubts": len(found), "agreement": enough}


def _sizes(rows: Sequence[Scores], place: int, columns: Columns) -> list[Row]:
    """Questions and videos below the last row that shares them."""
    counts = sizes(rows[place], columns)
    if place + 1 < len(rows) and sizes(rows[place + 1], columns) == counts:
        return []
    titles = ("questions", "videos")
    return [
        {"title": title, "numbers": numbers} for title, numbers in zip(titles, counts, strict=True)
    ]


def published_rows(published: Sequence[Published], columns: Columns) -> list[Row]:
    """One row per published result: name, the mark of its source, and the printed numbers."""
    return [
        {
            "model": row.label,
            "mark": mark,
            "cells": [printed_text(row, column) for column, _ in columns],
        }
        for row, mark in zip(published, source_marks(published), strict=True)
    ]


def protocol_overview(run: Run, protocols: Sequence[Protocol]) -> list[Row]:
    """One cell per protocol: the average, and its difference from the first protocol's."""
    cells = [{**cell(run.scores(protocol).overall), "gap": ""} for protocol in protocols]
    if run.incomplete:
        return cells
    differing = disagreement(run, protocols)
    for shown, difference in zip(cells[1:], differing.differences, strict=True):
        read = sum(difference.read.values())
        gap = difference_text(difference.points.overall).replace("\n", " ")
        shown["gap"] = f"{gap}; {read:,} read differently" if read else "every reply read alike"
    return cells


def protocol_rows(run: Run, protocols: Sequence[Protocol], columns: Columns) -> list[Row]:
    """One row per protocol, with the questions that it scores differently from the first."""
    first = [grade.score for grade in run.grades(protocols[0])]
    rows = score_rows([run.scores(protocol) for protocol in protocols], columns)
    for row, protocol in zip(rows, protocols, strict=True):
        pairs = zip(first, run.grades(protocol), strict=True)
        row["differs"] = sum(one != other.score for one, other in pairs)
        row["source"] = protocol.source
    return rows


def compared_cells(comparison: Comparison) -> list[Row]:
    """The differences in the columns of the headline table, for a row of the overview."""
    rubric = comparison.scores_b.rubric
    parts = {OVERALL: comparison.overall, **comparison.tasks}
    parts |= {each.name: comparison.micro for each in rubric.overall[1:] if each.how == MICRO}
    return [
        {"mean": NONE, "range": "", "real": False}
        if column not in parts
        else _difference(title, parts[column])
        for column, title in columns_for(rubric)
    ]


def compared(comparison: Comparison) -> Row:
    """The content of one comparison."""
    return {
        "found": comparison,
        "cells": compared_cells(comparison),
        "rows": comparison_rows(comparison),
        "verdict": verdict(comparison),
    }


def comparison_rows(comparison: Comparison) -> list[Row]:
    """One row for the overall means and per task: difference, interval, p-values, changes."""
    return [_difference(title, difference) for _, title, difference in rows_of(comparison)]


def _difference(title: str, difference: Difference) -> Row:
    mean, interval = difference_text(difference.estimate).split("\n")
    deciding = difference.p if difference.p_holm is None else difference.p_holm
    return {
        "title": title,
        "mean": mean,
        "range": interval,
        "p": p_text(difference.p),
        "p_holm": NONE if difference.p_holm is None else p_text(difference.p_holm),
        "real": deciding < LEVEL,
        "fixed": len(difference.fixed),
        "broke": len(difference.broke),
        "count": difference.count,
        "clusters": difference.clusters,
    }


def outcome_rows(rows: Sequence[Scores]) -> list[Row]:
    """The number of questions of each run per outcome."""
    return [
        {"model": row.model, "counts": [row.outcomes.get(name, 0) for name in OUTCOMES],
         "whole": row.valid.count}
        for row in rows
    ]  # fmt: skip


def error_rows(runs: Sequence[Run]) -> tuple[list[Row], int]:
    """The most frequent errors with their counts, and the number of other kinds."""
    counts = Counter(
        (run.name, p.answer.error) for run in runs for p in run.predictions if p.answer.error
    )
    rows = [
        {"model": model, "error": error[:300], "count": count}
        for (model, error), count in counts.most_common(MANY)
    ]
    return rows, max(0, len(counts) - MANY)


def made_rows(runs: Sequence[Run]) -> list[Row]:
    """The provenance of each run: its configuration, and the versions of every start."""
    return [
        {
            "model": run.name,
            "path": str(run.path),
            "config": _pretty(run.config["config"]) if run.config else None,
            "digest": run.config["digest"] if run.config else None,
            "starts": [_pretty(start) for start in _starts(run.config)],
        }
        for run in runs
    ]


def _starts(config: Mapping[str, Any] | None) -> list[Any]:
    return list(config["starts"]) if config else []


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
