"""The parts of the difference of two runs as tables, CSV and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from vicabench.errors import csv_text
from vicabench.reporting.comparison import difference_text
from vicabench.reporting.tables import OVERALL, TOO_FEW, Sheet
from vicabench.results.explanation import Explanation
from vicabench.scoring.parts import Split
from vicabench.scoring.stats import RESAMPLES, SEED

METHOD = (
    "Each part is the mean over the orders in which the parts can be changed from A to B (Shapley "
    "values); they add up to B − A. Aggregating is how numbers are "
    "scored, averaged and rounded. Ranges are 95% intervals from a bootstrap over videos; "
    f"{TOO_FEW}."
)
ENDS = ("", "_low", "_high")
HEAD = (
    *("reference", "model", "reference_protocol", "model_protocol", "score"),
    *("questions", "videos", "unanswered", "reference_score", "model_score"),
)
Record = dict[str, Any]


def factors_of(found: Explanation) -> tuple[str, ...]:
    """The names of the parts."""
    return tuple(found.overall.parts)


def columns_of(found: Explanation) -> tuple[str, ...]:
    """The columns of the CSV."""
    named = ("difference", *factors_of(found))
    return (*HEAD, *(f"{name}{end}" for name in named for end in ENDS))


def explained_sheets(found: Explanation) -> list[Sheet]:
    """The parts, a row per score, and the settings in which the runs differ."""
    sheets = [
        Sheet(
            title=f"A: {found.a.name}, B: {found.b.name}",
            columns=("", "A", "B", "B − A", *factors_of(found), "n", "videos"),
            rows=tuple(_cells(title, one) for title, one in _titled(found)),
            notes=(*found.notes, METHOD, *found.again),
        )
    ]
    if found.settings:
        rows = tuple((s.kind, s.name, _short(s.a), _short(s.b)) for s in found.settings)
        columns = ("", "setting", "A", "B")
        sheets.append(Sheet(title="Settings that differ", columns=columns, rows=rows, texts=4))
    return sheets


def _titled(found: Explanation) -> Iterator[tuple[str, Split]]:
    rubrics = [rule.rubric(found.a.rubric) for rule in found.protocols]
    titles = {task.name: task.title for task in rubrics[0].tasks}
    titles[OVERALL] = " → ".join(dict.fromkeys(rubric.headline.title for rubric in rubrics))
    return ((titles[name], one) for name, one in found.splits.items())


def _cells(title: str, one: Split) -> tuple[str, ...]:
    parts = [difference_text(part) for part in one.parts.values()]
    scores = (f"{one.score_a:.1f}", f"{one.score_b:.1f}")
    sizes = (str(one.difference.count), str(one.difference.clusters))
    return (title, *scores, difference_text(one.difference), *parts, *sizes)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def split_records(found: Explanation) -> list[Record]:
    """The rows of the CSV."""
    head = {
        "reference": found.a.name,
        "model": found.b.name,
        "reference_protocol": found.protocols[0].name,
        "model_protocol": found.protocols[1].name,
    }
    return [{**head, "score": name, **_record(one)} for name, one in found.splits.items()]


def _record(one: Split) -> Record:
    estimates = {"difference": one.difference, **one.parts}
    return {
        "questions": one.difference.count,
        "videos": one.difference.clusters,
        "unanswered": one.difference.failed,
        "reference_score": one.score_a,
        "model_score": one.score_b,
        **{
            f"{name}{end}": None if math.isnan(value) else value
            for name, estimate in estimates.items()
            for end, value in zip(ENDS, (estimate.mean, estimate.low, estimate.high), strict=True)
        },
    }


def explained_csv(found: Explanation) -> str:
    """One CSV row per score; missing values are empty, numbers have four decimals."""
    rows = [{k: _number(v) for k, v in row.items()} for row in split_records(found)]
    return csv_text(columns_of(found), rows).rstrip("\n")


def _number(value: Any) -> Any:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else value


def explained_json(found: Explanation) -> str:
    """The parts of every score, the settings that differ, and what has to be run to know more."""
    content = {
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "unit": "video", "level": 0.95},
        "parts": {"names": list(factors_of(found)), "how": "Shapley values"},
        "scores": split_records(found),
        "settings": [asdict(setting) for setting in found.settings],
        "again": list(found.again),
        "notes": list(found.notes),
    }
    return json.dumps(content, indent=2)
