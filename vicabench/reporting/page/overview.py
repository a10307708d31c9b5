"""The page of models over several benchmarks: their headline scores, and a table for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vicabench.errors import counted
from vicabench.harnesses.protocols import Protocol
from vicabench.reporting.overview import (
    benchmark_of,
    by_benchmark,
    model_of,
    overview_notes,
    overview_scores,
)
from vicabench.reporting.page.render import (
    environment,
    main_script,
    policy,
    style_sheet,
    theme_script,
)
from vicabench.reporting.page.tables import cell, score_rows
from vicabench.reporting.tables import notes_on, scored_columns
from vicabench.results.run import Run

SCRIPTS = ("elements", "tables", "overview")


def render_overview(
    runs: Sequence[Run], protocol: Protocol, *, command: str, made: Mapping[str, str]
) -> str:
    """The whole page; `made` has its time, version and commit."""
    groups = by_benchmark(runs)
    names = list(groups)
    style, theme, script = style_sheet(), theme_script(), main_script(SCRIPTS)
    scores = overview_scores(runs, protocol)
    models = counted(len(scores), "model") if len(scores) > 1 else next(iter(scores))
    return environment().get_template("overview.html").render(
        title=f"{models} on {counted(len(names), 'benchmark')}",
        policy=policy((style,), (theme, script)),
        style=style,
        theme=theme,
        script=script,
        runs=len(runs),
        over=[
            {"model": model, "cells": [_overall(by_name.get(name)) for name in names]}
            for model, by_name in scores.items()
        ],
        notes=overview_notes(runs, protocol),
        parts=[_part(name, members, protocol) for name, members in groups.items()],
        command=command,
        made=made,
        sources=[f"{run.name} on {benchmark_of(run)}: {run.path}" for run in runs],
    )  # fmt: skip


def _overall(scores: Any) -> dict[str, Any]:
    return cell(None if scores is None else scores.overall)


def _part(name: str, runs: Sequence[Run], protocol: Protocol) -> dict[str, Any]:
    models = [model_of(run) for run in runs]
    rows = [
        replace(run.scores(protocol), model=model if models.count(model) == 1 else run.name)
        for run, model in zip(runs, models, strict=True)
    ]
    columns = scored_columns(rows)
    return {
        "name": name,
        "columns": [title for _, title in columns],
        "rows": score_rows(rows, columns),
        "notes": notes_on(rows, ()),
    }
