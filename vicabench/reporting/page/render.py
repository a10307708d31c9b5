"""Rendering of the page, with its style, scripts and content security policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vicabench.reporting.page import tables
from vicabench.reporting.page.explorer import (
    Asked,
    collect,
    data_blocks,
    fitting_limit,
    frame_block,
    visible,
)
from vicabench.reporting.page.report import Report, Strip
from vicabench.reporting.page.svg import inline_svg, rules
from vicabench.reporting.tables import columns_for, notes_on, scored_columns
from vicabench.types import OUTCOMES

CSS = ("base", "page", "explorer", "print")
JS = ("elements", "question", "tables", "explorer")
THEME = ("theme",)


def style_sheet(figures: str = "", *, more: tuple[str, ...] = ()) -> Markup:
    """All style sheets and `more` of them, with the colours of the figures."""
    sheets = _joined("css", (*CSS, *more))
    return sheets + Markup(figures)  # noqa: S704  (made from hexadecimal digits)


def theme_script() -> Markup:
    """The script that must run before the first paint."""
    return _joined("js", THEME)


def main_script(names: tuple[str, ...] = JS) -> Markup:
    """All other scripts, in a separate scope."""
    return Markup('"use strict";\n(() => {{\n{}}})();\n').format(_joined("js", names))


def policy(styles: tuple[str, ...], scripts: tuple[str, ...]) -> str:
    """A content security policy that allows only these scripts and no network requests."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hashes(styles)}",
            f"script-src {_hashes(scripts)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hashes(texts: tuple[str, ...]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _joined(kind: str, names: tuple[str, ...]) -> Markup:
    folder = resources.files(__package__).joinpath(kind)
    files = [folder.joinpath(f"{name}.{kind}") for name in names]
    return Markup("\n".join(file.read_text(encoding="utf-8") for file in files))  # noqa: S704


FEW = 2  # benchmarks that the title names
FRAMES = Markup("<!-- frames -->")


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page and the names of its videos, whose frames can be added."""

    html: str
    videos: tuple[str, ...]

    def with_frames(self, strips: Mapping[str, Strip]) -> str:
        """Add strips of frames, by the names of their videos."""
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
    style, theme, script = style_sheet(rules(colours)), theme_script(), main_script()
    html = environment().get_template("page.html").render(
        report=report,
        policy=policy((style,), (theme, script)),
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


def environment() -> Environment:
    """Create the template environment, which escapes all output and shows hidden characters."""
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
    """The texts of the title and of the filters."""
    types = {question.task for question in asked.questions}
    named = 0 < len(report.benchmarks) <= FEW
    return {
        "title": " and ".join(report.benchmarks) if named else "vicabench report",
        "questions": len(asked.questions),
        "videos": len(asked.videos),
        "datasets": sorted({video.split("/", 1)[0] for video in asked.videos if "/" in video}),
        "tasks": [task for task in report.rubric.tasks if types & set(task.types)],
        "outcomes": OUTCOMES,
    }


def _tables(report: Report) -> dict[str, Any]:
    several = len(report.protocols) > 1
    errors, more = tables.error_rows(report.runs)
    columns = scored_columns(report.scores)
    return {
        "columns": [title for _, title in columns_for(report.rubric)],
        "scored": [title for _, title in columns],
        "scores": tables.score_rows(report.scores, columns),
        "published": tables.published_rows(report.published, columns),
        "notes": [*report.notes, *notes_on(report.scores, report.published)],
        "graded": [
            {
                "model": run.name,
                "overview": tables.protocol_overview(run, report.protocols),
                "rows": tables.protocol_rows(run, report.protocols, columns),
            }
            for run in report.runs
            if several
        ],
        "compared": [tables.compared(comparison) for comparison in report.comparisons],
        "came_to": tables.outcome_rows(report.scores),
        **tables.doubts(report.runs, report.rubric, report.protocols[0]),
        "errors": errors,
        "more_errors": more,
        "made": tables.made_rows(report.runs),
    }
