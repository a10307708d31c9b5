"""From a report to the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vicabench.reporting.cells import COLUMNS, WITH_VALID, notes_on
from vicabench.reporting.page import assets, tables
from vicabench.reporting.page.blocks import data_blocks, frame_block
from vicabench.reporting.page.colours import rules
from vicabench.reporting.page.questions import Asked, collect
from vicabench.reporting.page.replies import fitting_limit
from vicabench.reporting.page.report import Report, Strip
from vicabench.reporting.page.svg import inline_svg
from vicabench.reporting.page.visible import visible
from vicabench.types import OUTCOMES, TASKS

FRAMES = Markup("<!-- frames -->")


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, and the videos it is about, whose frames can be added."""

    html: str
    videos: tuple[str, ...]

    def with_frames(self, strips: Mapping[str, Strip]) -> str:
        """The page with strips of frames by the names of their videos."""
        blocks = [
            frame_block(place, strips[video])
            for place, video in enumerate(self.videos)
            if video in strips
        ]
        # No text from outside can hold the marker: its `<` would have been escaped.
        return self.html.replace(FRAMES, "\n".join(block.element for block in blocks), 1)


def render_page(report: Report) -> Page:
    """The page without frames. DataError if the runs are not about the same questions."""
    asked = collect(report.runs)
    limit = fitting_limit(report.runs)
    figures = [(inline_svg(drawing.svg), drawing) for drawing in report.drawings]
    colours = set().union(*(figure.colours for figure, _ in figures))
    style, theme, script = assets.style(rules(colours)), assets.theme_script(), assets.main_script()
    html = _environment().get_template("page.html").render(
        report=report,
        policy=assets.policy((style,), (theme, script)),
        style=style,
        theme=theme,
        script=script,
        blocks=data_blocks(report, asked, limit),
        frames=FRAMES,
        limit=limit,
        drawings=figures,
        **_facts(report, asked),
        **_tables(report),
    )  # fmt: skip
    return Page(html=html, videos=tuple(asked.videos))


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
        "scored": [title for _, title in WITH_VALID],
        "scores": tables.score_rows(report.scores),
        "notes": [*report.notes, *notes_on(report.scores, ())],
        "graded": [
            {
                "model": run.name,
                "overview": tables.protocol_overview(run, report.protocols),
                "rows": tables.protocol_rows(run, report.protocols),
            }
            for run in report.runs
            if several
        ],
        "compared": [tables.compared(found) for found in report.comparisons],
        "came_to": tables.outcome_rows(report.scores),
        "errors": errors,
        "more_errors": more,
        "made": tables.made_rows(report.runs),
    }
