"""Published results as tables, and as flat records for CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import mode
from typing import TYPE_CHECKING, Any

from vicabench.errors import csv_text
from vicabench.reference import (
    Curve,
    Published,
    ThinkingPoint,
    ZooModel,
    citations,
)
from vicabench.reference.curves import SOURCE as ZOO_SOURCE
from vicabench.reference.scores import macro, micro
from vicabench.reporting.tables import COLUMNS, NONE, OVERALL, WHOLE, Sheet
from vicabench.rubric import VSI

if TYPE_CHECKING:
    pass

MARK = "†"


def scores_sheet(rows: Sequence[Published], tasks: Sequence[str] = ()) -> Sheet:
    """The rows with the average and these tasks (by default all), as printed in the sources."""
    shown = [(n, t) for n, t in COLUMNS if n == OVERALL or not tasks or n in tasks]
    sources = _numbered(row.source for row in rows)
    lines = [
        (row.label, *(_printed(row, name) for name, _ in shown), f"[{sources[row.source]}]")
        for row in rows
    ]
    legend = [_legend(row) for row in rows if not row.consistent]
    return Sheet(
        title="Published scores on VSI-Bench, as printed, without intervals",
        columns=("", *(_two_lines(title) for _, title in shown), "source"),
        rows=tuple(lines),
        notes=(*legend, *_twice(rows, sources), *_references(sources)),
    )


def thinking_sheet(points: Sequence[ThinkingPoint]) -> Sheet:
    """The kinds of replies and the scores of the checkpoints of the Thinking series."""
    titles = [title for _, title in COLUMNS]
    lines = [
        (
            str(p.percent),
            *(str(count) for count in (p.valid_outputs, p.direct_answers, p.via_thoughts)),
            f"{p.overall:.{p.decimals}f}{'' if p.consistent else MARK}",
            *(f"{p.tasks[task.name]:.{p.decimals}f}" for task in VSI.tasks),
        )
        for p in points
    ]
    legend = [f"{MARK} The printed average is not the mean of the tasks."]
    return Sheet(
        title="ViCA-7B-Thinking by the share of its training data",
        columns=("%", f"valid\nof {WHOLE}", "direct", "via\nthoughts", *map(_two_lines, titles)),
        rows=tuple(lines),
        notes=(
            *([] if all(p.consistent for p in points) else legend),
            *_references(_numbered(p.source for p in points)),
        ),
        texts=0,
    )


def curves_sheet(curves: Sequence[Curve]) -> Sheet:
    """Average score over the share of the training data, one column per series.

    A series' column names its source; a point that has another names that itself.
    """
    sources = _numbered(point.source for curve in curves for point in curve.points)
    usual = [mode(point.source for point in curve.points) for curve in curves]
    by_percent = [{point.percent: point for point in curve.points} for curve in curves]
    rows = []
    for percent in sorted({percent for points in by_percent for percent in points}):
        cells = [str(percent)]
        for points, source in zip(by_percent, usual, strict=True):
            point = points.get(percent)
            own = point is not None and point.source != source
            mark = f" [{sources[point.source]}]" if point is not None and own else ""
            cells.append(NONE if point is None else f"{point.average:.2f}{mark}")
        rows.append(tuple(cells))
    heads = [f"{c.series} [{sources[source]}]" for c, source in zip(curves, usual, strict=True)]
    data = "; ".join(f"{curve.series}: {curve.dataset}" for curve in curves)
    return Sheet(
        title="Published scaling curves: average on VSI-Bench by % of the training data",
        columns=("%", *heads),
        rows=tuple(rows),
        notes=(f"Trained on: {data}.", *_references(sources)),
        texts=0,
    )


def zoo_sheet(models: Sequence[ZooModel]) -> Sheet:
    """The published checkpoints."""
    rows = [
        (m.repo, m.family, m.series, m.stage, m.description, _percent(m.percent)) for m in models
    ]
    return Sheet(
        title="Published checkpoints; `vicabench models` fetches and shows them",
        columns=("checkpoint", "family", "series", "stage", "description", "%"),
        rows=tuple(rows),
        notes=tuple(_references(_numbered([ZOO_SOURCE]))),
        texts=5,
    )


def _printed(row: Published, name: str) -> str:
    value = row.overall if name == OVERALL else row.tasks.get(name)
    if value is None:
        return NONE
    mark = MARK if name == OVERALL and not row.consistent else ""
    return f"{value:.{row.decimals}f}{mark}"


def _legend(row: Published) -> str:
    """Notes on why an average is marked, and whether it is a mean over questions."""
    tasks, questions = macro(row.tasks), micro(row.tasks)
    text = f"{MARK} {row.label}: {row.overall} is printed, the mean of the printed tasks is "
    text += f"{tasks:.1f}, weighted by their questions {questions:.1f}."
    return text


def _numbered(sources: Iterable[str]) -> dict[str, int]:
    return {source: place for place, source in enumerate(dict.fromkeys(sources), start=1)}


def _references(sources: dict[str, int]) -> list[str]:
    listed = "; ".join(f"[{place}] {source}" for source, place in sources.items())
    return [f"Sources: {listed}.", *(f"{c.name}: {c.citation} {c.url}" for c in citations(sources))]


def _twice(rows: Sequence[Published], sources: dict[str, int]) -> list[str]:
    """Note rows of the same name for which two sources print different numbers."""
    by_name: dict[str, list[Published]] = {}
    for row in rows:
        by_name.setdefault(row.label, []).append(row)
    return [
        f"{label} is printed differently in {' and '.join(f'[{sources[r.source]}]' for r in same)}."
        for label, same in by_name.items()
        if any(row.tasks != same[0].tasks or row.overall != same[0].overall for row in same)
    ]


def _two_lines(title: str) -> str:
    return title.replace(" ", "\n", 1)


def _percent(percent: int | None) -> str:
    return "" if percent is None else str(percent)


Record = dict[str, Any]


def score_records(rows: Sequence[Published]) -> list[Record]:
    """One record per published row; numbers that are not printed are None."""
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
    """One record per checkpoint of the Thinking series."""
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
    """One record per point of a scaling curve."""
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
    """One record per published checkpoint."""
    return [asdict(model) for model in models]


def records_csv(records: Sequence[Record]) -> str:
    """The records as CSV with a header; None is empty."""
    return csv_text(list(records[0]), records).rstrip("\n")


def records_json(records: Sequence[Record]) -> str:
    """The records as a JSON list of objects."""
    return json.dumps(list(records), indent=2, ensure_ascii=False)


def _tasks(tasks: Mapping[str, float]) -> Record:
    return {task.name: tasks.get(task.name) for task in VSI.tasks}


def _source(source: str) -> Record:
    citation = citations([source])[0]
    return {"source": source, "citation": citation.citation, "url": citation.url}


def _judged(row: Published) -> bool | None:
    return None if row.overall is None or macro(row.tasks) is None else row.consistent


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
