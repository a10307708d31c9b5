"""Judged descriptions as tables: for the terminal, Markdown, CSV and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from vicabench.curves.measure import signed
from vicabench.errors import csv_text
from vicabench.judging.judge import COLUMNS, FIELDS, HIGHEST, LONGEST, LOWEST, Judged, Mean, changes
from vicabench.reporting.tables import NONE, TOO_FEW, Sheet
from vicabench.scoring.stats import RESAMPLES, SEED


def judged_sheets(judged: Sequence[Judged], judge: str) -> list[Sheet]:
    """The means of every run, and below them the changes from each run to the next."""
    sheets = [_means(judged, judge)]
    if len(judged) > 1:
        sheets.append(_changes(judged))
    return sheets


def judged_csv(judged: Sequence[Judged]) -> str:
    """One CSV row per run and criterion; undefined interval ends are empty."""
    rows = []
    for row in (row for one in judged for row in one.rows()):
        ends = {key: row[key] for key in ("mean", "low", "high")}
        rows.append(row | {key: "" if math.isnan(v) else f"{v:.4f}" for key, v in ends.items()})
    return csv_text(FIELDS, rows)


def judged_record(judged: Sequence[Judged]) -> dict[str, Any]:
    """The means as JSON values, with the changes from each run to the next."""
    return {
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "unit": "video", "level": 0.95},
        "scale": [LOWEST, HIGHEST],
        "runs": [
            {
                "model": one.model,
                "means": {name: _record(mean) for name, mean in one.means.items()},
                **{key: getattr(one, key) for key in ("undescribed", "unjudged", "cut")},
                "notes": list(one.notes),
            }
            for one in judged
        ],
        "changes": [
            {
                "before": before.model,
                "after": after.model,
                "differences": {n: _record(m) for n, m in changes(before, after).items()},
            }
            for before, after in pairwise(judged)
        ],
    }


def cell(mean: Mean, *, change: bool = False) -> str:
    """`7.26 [7.01–7.50]`, for a change `+0.41 [+0.20 – +0.63]`; `n/a` without an interval."""
    if math.isnan(mean.value):
        return NONE
    write, dash = (_signed, " – ") if change else (_plain, "–")
    ends = "n/a" if math.isnan(mean.low) else f"{write(mean.low)}{dash}{write(mean.high)}"
    return f"{write(mean.value)} [{ends}]"


def _means(judged: Sequence[Judged], judge: str) -> Sheet:
    rows = tuple(
        (one.model, *map(cell, one.means.values()), str(_videos(one.means))) for one in judged
    )
    return Sheet(
        title=f"Descriptions judged by {judge}, {LOWEST} to {HIGHEST}",
        columns=("", *COLUMNS.values(), "videos"),
        rows=rows,
        notes=tuple(_notes(judged)),
    )


def _changes(judged: Sequence[Judged]) -> Sheet:
    rows = []
    for before, after in pairwise(judged):
        differences = changes(before, after)
        cells = (cell(mean, change=True) for mean in differences.values())
        rows.append((f"{before.model} → {after.model}", *cells, str(_videos(differences))))
    return Sheet(
        title="Change from each to the next",
        columns=("", *COLUMNS.values(), "videos"),
        rows=tuple(rows),
        notes=("Paired: differences by video, on the videos that both have scores of.",),
    )


def _videos(means: Mapping[str, Mean]) -> int:
    return max((mean.videos for mean in means.values()), default=0)


def _notes(judged: Sequence[Judged]) -> Iterator[str]:
    yield f"Ranges are 95% intervals from a bootstrap over videos; {TOO_FEW}."
    for one in judged:
        if one.undescribed:
            yield f"{one.model}: videos without a description, counted as 0: {one.undescribed}."
        if one.unjudged:
            yield (
                f"{one.model}: descriptions without a score from the judge that can be read, in no "
                f"mean: {one.unjudged}."
            )
        if one.cut:
            yield (
                f"{one.model}: descriptions of which only the first {LONGEST:,} characters were "
                f"judged: {one.cut}."
            )
        yield from (f"{one.model}: {note}" for note in one.notes)


def _record(mean: Mean) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in asdict(mean).items()
    }


def _plain(value: float) -> str:
    return f"{value:.2f}"


def _signed(value: float) -> str:
    return signed(value, 2)
