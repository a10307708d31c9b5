"""From a report to the page."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vicabench.reporting.cells import COLUMNS, notes_on
from vicabench.reporting.page import assets, tables
from vicabench.reporting.page.blocks import data_blocks, frame_blocks
from vicabench.reporting.page.questions import Asked, collect
from vicabench.reporting.page.replies import fitting_limit
from vicabench.reporting.page.report import Report
from vicabench.reporting.page.svg import inline_svg
from vicabench.reporting.page.visible import visible
from vicabench.types import OUTCOMES, TASKS


def render_page(report: Report) -> str:
    """The whole page as HTML. DataError if the runs are not about the same questions."""
    asked = collect(report.runs)
    limit = fitting_limit(report.runs)
    style, theme, script = assets.style(), assets.theme_script(), assets.main_script()
    return _environment().get_template("page.html").render(
        report=report,
        policy=assets.policy((style,), (theme, script)),
        style=style,
        theme=theme,
        script=script,
        blocks=data_blocks(report, asked, limit),
        frames=frame_blocks(report, asked),
        limit=limit,
        **_facts(report, asked),
        **_tables(report),
    )  # fmt: skip


def _environment() -> Environment:
    """Everything a template prints is escaped, and its deceiving characters shown."""
    return Environment(
        loader=PackageLoader("vicabench.reporting.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else _seen(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _seen(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value


def _facts(report: Report, asked: Asked) -> dict[str, Any]:
    """What the title and the choices of the explorer say."""
    types = {question.task for question in asked.questions}
    return {
        "title": " and ".join(report.benchmarks) or "vicabench report",
        "questions": len(asked.questions),
        "videos": len(asked.videos),
        "datasets": sorted({video.split("/", 1)[0] for video in asked.videos if "/" in video}),
        "tasks": [task for task in TASKS if types & set(task.types)],
        "outcomes": OUTCOMES,
    }


def _tables(report: Report) -> dict[str, Any]:
    several = len(report.protocols) > 1
    errors, more = tables.error_rows(report.runs)
    return {
        "columns": [title for _, title in COLUMNS],
        "scores": tables.score_rows(report.scores),
        "notes": [*report.notes, *notes_on(report.scores, ())],
        "graded": [(run.name, tables.protocol_rows(run, report.protocols)) for run in report.runs]
        if several
        else [],
        "compared": [
            (found, tables.compared_cells(found), tables.comparison_rows(found))
            for found in report.comparisons
        ],
        "drawings": [(inline_svg(drawing.svg), drawing) for drawing in report.drawings],
        "came_to": tables.outcome_rows(report.scores),
        "errors": errors,
        "more_errors": more,
        "made": tables.made_rows(report.runs),
    }
