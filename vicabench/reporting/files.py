"""The table for a paper, a README or a spreadsheet: Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from vicabench.reference import Published
from vicabench.reporting.cells import (
    NONE,
    OVERALL,
    WITH_VALID,
    Columns,
    cell_text,
    columns_of,
    estimate_of,
    labels_of,
    notes_on,
    printed_text,
    sizes,
)
from vicabench.reporting.disagreement import latex_disagreement, markdown_disagreement
from vicabench.reporting.sheets import guarded, known_to_latex, markdown_text, one_line
from vicabench.scoring.disagreement import Difference, Disagreement
from vicabench.scoring.stats import RESAMPLES, SEED
from vicabench.text import csv_text
from vicabench.types import EMPTY, TRUNCATED, UNREADABLE, Estimate, Scores

Rows = Sequence[Scores]
MICRO = "micro"
NO_ANSWER = (UNREADABLE, EMPTY, TRUNCATED)


def markdown(
    rows: Rows, published: Sequence[Published], between: Sequence[Disagreement] = ()
) -> str:
    """A table of cells like `63.0 [56.4–69.3]`, then the notes as a list.

    `between` tells how several protocols differ in each run, here as in every format.
    """
    table = tabulate(_cells(rows, published, markdown_text), _titles(rows), tablefmt="github")
    notes = "\n".join(f"- {markdown_text(note)}" for note in notes_on(rows, published))
    return "\n\n".join([table, notes, *(markdown_disagreement(d, markdown_text) for d in between)])


def latex(rows: Rows, published: Sequence[Published], between: Sequence[Disagreement] = ()) -> str:
    """A booktabs tabular with the notes as comments before it."""
    cells = _cells(rows, published, known_to_latex)
    table = tabulate(cells, _titles(rows), tablefmt="latex_booktabs")
    notes = [f"% {one_line(note)}" for note in notes_on(rows, published)]
    return "\n".join([*notes, guarded(table), *map(latex_disagreement, between)])


def table_csv(
    rows: Rows, published: Sequence[Published], between: Sequence[Disagreement] = ()
) -> str:
    """One row a run: mean, low, high, questions and videos of every column; empty where none.

    A difference between protocols is a row too, its `source` being `difference`.
    """
    names = ["model", "protocol", "source"]
    parts = ("", "_low", "_high", "_questions", "_videos")
    names += [c + part for c in [*(c for c, _ in WITH_VALID), MICRO] for part in parts]
    names += ["unanswered", *NO_ANSWER, "read_differently"]
    lines = [
        *map(_csv_row, rows),
        *(_csv_difference(told, d) for told in between for d in told.differences),
        *map(_csv_published, published),
    ]
    return csv_text(names, lines).rstrip("\n")


def table_json(
    rows: Rows, published: Sequence[Published], between: Sequence[Disagreement] = ()
) -> str:
    """Every estimate of every run; an interval that does not exist is null."""
    content = {
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "unit": "video", "level": 0.95},
        "runs": [_no_nan(asdict(row)) for row in rows],
        "published": [asdict(row) for row in published],
        "disagreements": [_no_nan(asdict(told)) for told in between],
    }
    return json.dumps(content, indent=2)


Format = Callable[[Rows, Sequence[Published], Sequence[Disagreement]], str]
FORMATS: dict[str, Format] = {
    "markdown": markdown,
    "latex": latex,
    "csv": table_csv,
    "json": table_json,
}


def _titles(rows: Rows) -> list[str]:
    return ["", *(title for _, title in columns_of(rows))]


def _cells(
    rows: Rows, published: Sequence[Published], escape: Callable[[str], str]
) -> list[list[str]]:
    lines, columns = [], columns_of(rows)
    for position, (label, row) in enumerate(zip(labels_of(rows), rows, strict=True)):
        lines.append([escape(label), *_estimates(row, columns)])
        below = sizes(row, columns)
        if row is rows[-1] or sizes(rows[position + 1], columns) != below:
            lines.append(["questions / videos", *map(" / ".join, zip(*below, strict=True))])
    for other in published:
        printed = [printed_text(other, column) for column, _ in columns]
        lines.append([escape(f"{other.label} (published)"), *printed])
    return lines


def _estimates(row: Scores, columns: Columns) -> list[str]:
    found = [estimate_of(row, column) for column, _ in columns]
    return [NONE if e is None else cell_text(e) for e in found]


def _csv_difference(told: Disagreement, difference: Difference) -> dict[str, Any]:
    row = difference.points
    record: dict[str, Any] = {"model": told.model, "protocol": row.model, "source": "difference"}
    for column in (OVERALL, *row.tasks):
        record |= _csv_estimate(column, estimate_of(row, column) or row.overall)
    read = sum(difference.read.values())
    return record | _csv_estimate(MICRO, row.micro) | {"read_differently": read}


def _csv_row(row: Scores) -> dict[str, Any]:
    record: dict[str, Any] = {"model": row.model, "protocol": row.protocol, "source": "this run"}
    for column, _ in WITH_VALID:
        estimate = estimate_of(row, column)
        if estimate is not None:
            record |= _csv_estimate(column, estimate)
    counts = {name: row.outcomes[name] for name in NO_ANSWER}
    return record | _csv_estimate(MICRO, row.micro) | {"unanswered": row.overall.failed} | counts


def _csv_estimate(column: str, estimate: Estimate) -> dict[str, Any]:
    values = {"": estimate.mean, "_low": estimate.low, "_high": estimate.high}
    return {
        **{column + k: "" if math.isnan(v) else f"{v:.4f}" for k, v in values.items()},
        column + "_questions": estimate.count,
        column + "_videos": estimate.clusters,
    }


def _csv_published(row: Published) -> dict[str, Any]:
    means = {OVERALL: row.overall, **row.tasks}
    return {"model": row.label, "protocol": "published", "source": row.source, **means}


def _no_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _no_nan(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_no_nan(member) for member in value]
    return None if isinstance(value, float) and math.isnan(value) else value
