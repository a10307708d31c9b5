"""Published results on VSI-Bench, with their sources: `vicabench published`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vicabench.errors import ConfigError, counted, did_you_mean
from vicabench.reference import (
    Published,
    curves,
    matching,
    model_zoo,
    published_rows,
    thinking_curve,
)
from vicabench.reporting.published import (
    curve_records,
    curves_sheet,
    records_csv,
    records_json,
    score_records,
    scores_sheet,
    thinking_records,
    thinking_sheet,
    zoo_records,
    zoo_sheet,
)
from vicabench.reporting.tables import SHEET_FORMATS, Sheet, show_sheets
from vicabench.rubric import VSI
from vicabench.screen import as_text

if TYPE_CHECKING:
    from pandas import DataFrame

Records = list[dict[str, Any]]
TEXT, SCORES = "text", "scores"


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """A published table, as a sheet to print and as records."""

    sheet: Sheet = field(repr=False)
    records: Records = field(repr=False)

    def frame(self) -> DataFrame:
        """One row per record, with its source."""
        import pandas as pd  # noqa: PLC0415  (slow to import, and the command does not need it)

        return pd.DataFrame(self.records)

    def table(self, style: str = TEXT) -> str:
        """Format the table as `vicabench published` does: `text`, `markdown`, `csv` ..."""
        machines: dict[str, Callable[[Records], str]] = {"csv": records_csv, "json": records_json}
        if style == TEXT:
            return as_text(lambda page: show_sheets(page, [self.sheet]))
        if style in machines:
            return machines[style](self.records)
        if style not in SHEET_FORMATS:
            known = ", ".join([TEXT, *SHEET_FORMATS, *machines])
            raise ConfigError(f"There is no table style {style!r}. Styles are {known}.")
        return SHEET_FORMATS[style]([self.sheet])

    def __repr__(self) -> str:
        return f"<{self.sheet.title}: {counted(len(self.records), 'row')}>"


def published(
    kind: str = SCORES, *, tasks: str | Sequence[str] = (), model: str = "", source: str = ""
) -> PublishedTable:
    """Published scores, curves or checkpoints, each with its source.

    Args:
        kind: `scores`, `curves` (the scaling curves of both reports), `thinking` (the checkpoints
            of ViCA-7B-Thinking) or `zoo` (the published checkpoints).
        tasks: For `scores`: show these tasks, best first.
        model: Words to find in the model's name or group.
        source: Words to find in the source.

    Raises:
        ConfigError: For an unknown kind or task, or if no row matches.
    """
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise ConfigError(f"There is no published table {kind!r}. Tables are {known}.")
    if kind != SCORES and tasks:
        raise ConfigError(f"--task applies to the scores only, not to --{kind}: leave it out.")
    if kind == "zoo" and source:
        raise ConfigError("--zoo has a single source: leave out --source, or select with --model.")
    chosen = [tasks] if isinstance(tasks, str) else tasks
    if kind == SCORES:
        sheet, records = _scores(chosen, model, source)
    else:
        sheet, records = OTHERS[kind](model, source)
    if not records:
        raise ConfigError(
            "No published row matches all these words. `vicabench published` lists all rows."
        )
    return PublishedTable(sheet=sheet, records=records)


def _scores(tasks: Sequence[str], model: str, source: str) -> tuple[Sheet, Records]:

    rows = [
        row
        for row in published_rows()
        if matching(model, f"{row.label} {row.group}") and matching(source, row.source)
    ]
    if tasks:
        rows = _best_first(rows, tasks)
    return scores_sheet(rows, tasks), score_records(rows)


def _best_first(rows: Sequence[Published], tasks: Sequence[str]) -> list[Published]:
    """The rows with a score for any of these tasks, sorted by the first task."""
    names = [task.name for task in VSI.tasks]
    for name in tasks:
        if name not in names:
            near = did_you_mean(name, names)
            raise ConfigError(f"There is no task '{name}'. Tasks are {', '.join(names)}.{near}")
    scored = [row for row in rows if any(name in row.tasks for name in tasks)]
    return sorted(scored, key=lambda row: -row.tasks.get(tasks[0], -1.0))


def _thinking(model: str, source: str) -> tuple[Sheet, Records]:

    points = [
        point
        for point in thinking_curve()
        if matching(model, point.model) and matching(source, point.source)
    ]
    return thinking_sheet(points), thinking_records(points)


def _curves(model: str, source: str) -> tuple[Sheet, Records]:

    selected = [
        curve
        for curve in curves()
        if matching(model, curve.series)
        and any(matching(source, point.source) for point in curve.points)
    ]
    return curves_sheet(selected), curve_records(selected)


def _zoo(model: str, _source: str) -> tuple[Sheet, Records]:

    models = [
        one for one in model_zoo() if matching(model, f"{one.repo} {one.family} {one.series}")
    ]
    return zoo_sheet(models), zoo_records(models)


OTHERS = {"thinking": _thinking, "curves": _curves, "zoo": _zoo}
KINDS = (SCORES, *OTHERS)
