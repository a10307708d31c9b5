"""The files of scaling curves: figures in every format, and their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from vicabench.curves.export import (
    AVERAGES_COLUMNS,
    CURVE_COLUMNS,
    THINKING_COLUMNS,
    as_csv,
    as_json,
    averages_rows,
    curve_rows,
    thinking_rows,
)
from vicabench.curves.measure import Series
from vicabench.errors import ConfigError
from vicabench.reference import (
    Curve,
    Published,
    ThinkingPoint,
    curves,
    published_rows,
    thinking_curve,
)
from vicabench.reporting import figures
from vicabench.reporting.figures.output import save
from vicabench.reporting.files import write_file

TABLES = ("ViCA report Table 1", "ViCA2 report Table 2", "ViCA report Table 4")
"""The groups of models in the bar charts of the reports; ablations are left out."""


def write_curves(
    out: Path,
    formats: Sequence[str],
    series: Sequence[Series],
    published: Sequence[Curve],
    thinking: Sequence[ThinkingPoint],
) -> list[Path]:
    """Draw and export measured series with published curves; returns the written files."""
    drawn: dict[str, Figure] = {
        "curve": figures.curve(series, published),
        "curve-tasks": figures.curve_tasks(series),
    }
    texts = {
        "curve.csv": as_csv(curve_rows(series, published), CURVE_COLUMNS),
        "curve.json": as_json(series, published),
    }
    adopting = [one for one in series if any(point.adoption for point in one.points)]
    for one in adopting:
        end = "" if len(adopting) == 1 else f"-{one.name}"
        drawn[f"thinking{end}"] = figures.adoption(one, thinking)
    if adopting:
        texts["thinking.csv"] = as_csv(thinking_rows(adopting, thinking), THINKING_COLUMNS)
    return _write(out, formats, drawn, texts)


def write_published(out: Path, formats: Sequence[str], names: Sequence[str]) -> list[Path]:
    """Redraw the figures of the two reports and export their numbers; returns the files.

    `names` narrows them down to some series. ConfigError if one is not published.
    """
    chosen, thinking, rows = _chosen(names)
    drawn: dict[str, Figure] = {}
    texts: dict[str, str] = {}
    by_report: dict[str, list[Curve]] = {}
    for curve in chosen:
        report = curve.points[-1].source.partition(" ")[0].lower()
        by_report.setdefault(f"published-{report}", []).append(curve)
    drawn |= {name: figures.curve((), selected) for name, selected in by_report.items()}
    if chosen:
        texts["published.csv"] = as_csv(curve_rows((), chosen), CURVE_COLUMNS)
        texts["published.json"] = as_json((), chosen)
    if len(by_report) > 1:
        drawn["published-all"] = figures.curve((), chosen)
    if thinking:
        drawn["published-thinking"] = figures.adoption(None, thinking)
        texts["published-thinking.csv"] = as_csv(thinking_rows((), thinking), THINKING_COLUMNS)
    if rows:
        drawn["published-averages"] = figures.averages((), rows)
        texts["published-averages.csv"] = as_csv(averages_rows(rows), AVERAGES_COLUMNS)
    return _write(out, formats, drawn, texts)


def _chosen(
    names: Sequence[str],
) -> tuple[list[Curve], Sequence[ThinkingPoint], list[Published]]:
    """The curves of all series of the reports, or of these only."""
    everything, points = curves(), thinking_curve()
    if not names:
        rows = [row for row in published_rows() if row.source in TABLES]
        return list(everything), points, rows
    wanted = {name.casefold() for name in names}
    known = {curve.series.casefold() for curve in everything} | {p.model.casefold() for p in points}
    if unknown := wanted - known:
        published = dict.fromkeys([*(c.series for c in everything), *(p.model for p in points)])
        raise ConfigError(
            f"No curve of {', '.join(sorted(unknown))} is published; published curves are "
            f"{', '.join(published)}."
        )
    selected = [curve for curve in everything if curve.series.casefold() in wanted]
    return selected, [p for p in points if p.model.casefold() in wanted], []


def _write(
    out: Path, formats: Sequence[str], drawn: Mapping[str, Figure], texts: Mapping[str, str]
) -> list[Path]:

    files = [
        save(figure, out / f"{name}.{kind}") for name, figure in drawn.items() for kind in formats
    ]
    for name, text in texts.items():
        write_file(out / name, text)
    return [*files, *(out / name for name in texts)]
