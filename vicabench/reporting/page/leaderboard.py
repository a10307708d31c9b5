"""The leaderboard: one static page over benchmarks and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vicabench.errors import counted
from vicabench.harnesses.protocols import Protocol
from vicabench.reporting.leaderboard import Board, Entry, report_of
from vicabench.reporting.page.render import (
    environment,
    main_script,
    policy,
    style_sheet,
    theme_script,
)
from vicabench.reporting.page.tables import cell
from vicabench.reporting.tables import NONE, columns_for, estimate_of, printed_text
from vicabench.rubric import Rubric

SCRIPTS = ("elements", "tables", "overview", "leaderboard")


def render_leaderboard(
    boards: Sequence[Board],
    protocols: Sequence[Protocol],
    *,
    title: str,
    folder: Path,
    command: str,
    made: Mapping[str, str],
) -> str:
    """The whole page.

    Args:
        boards: One for each benchmark.
        protocols: Those that the reader chooses from.
        title: The heading of the page.
        folder: Where the page will be, for links to reports.
        command: The command that makes the page.
        made: The time, version and commit of the page.
    """
    style, theme, script = style_sheet(), theme_script(), main_script(SCRIPTS)
    listed = [entry for board in boards for entry in board.entries]
    models = {entry.name for entry in listed if entry.run}
    return environment().get_template("leaderboard.html").render(
        title=title,
        policy=policy((style,), (theme, script)),
        style=style,
        theme=theme,
        script=script,
        models=counted(len(models), "model"),
        benchmarks=counted(len(boards), "benchmark"),
        protocols=[p.name for p in protocols],
        boards=[_board(board, folder) for board in boards],
        several=len(protocols) > 1,
        command=command,
        made=made,
        sources=list(dict.fromkeys(f"{e.name}: {e.run.path}" for e in listed if e.run)),
    )  # fmt: skip


def _board(board: Board, folder: Path) -> dict[str, Any]:
    rubric = next(entry.scores.rubric for entry in board.entries if entry.scores)
    sources = list(dict.fromkeys(e.printed.source for e in board.entries if e.printed))
    return {
        "name": board.name,
        "columns": [title for _, title in columns_for(rubric)],
        "rows": [_row(entry, rubric, sources, folder) for entry in board.entries],
        "blind": any(entry.blind for entry in board.entries),
        "debiased": any(entry.debiased for entry in board.entries),
        "reports": any(entry.run and report_of(entry.run, folder) for entry in board.entries),
        "notes": [*board.notes, *(f"[{n}] {source}" for n, source in enumerate(sources, 1))],
    }


def _row(entry: Entry, rubric: Rubric, sources: Sequence[str], folder: Path) -> dict[str, Any]:
    columns = [name for name, _ in columns_for(rubric)]
    if entry.scores is not None:
        cells = [cell(estimate_of(entry.scores, name)) for name in columns]
        size = f"n = {entry.scores.overall.count:,}, {entry.scores.protocol}"
    else:
        assert entry.printed is not None  # noqa: S101  (one of the two is there)
        cells = [_printed(printed_text(entry.printed, name)) for name in columns]
        size = f"printed [{sources.index(entry.printed.source) + 1}]"
    return {
        "name": entry.name,
        "protocol": entry.protocol,
        "size": size,
        "printed": entry.printed is not None,
        "rank": _rank(entry),
        "cells": cells,
        "blind": cell(entry.blind),
        "debiased": cell(entry.debiased),
        "report": report_of(entry.run, folder) if entry.run else None,
    }


def _printed(text: str) -> dict[str, Any]:
    return {"mean": text or NONE, "range": "", "whisker": None}


def _rank(entry: Entry) -> dict[str, Any]:
    rank = entry.rank
    if rank is None:
        return {"mean": NONE, "range": "", "whisker": None}
    shown = str(rank.low) if rank.low == rank.high else f"{rank.low}–{rank.high}"
    return {"mean": f"{rank.place}{'=' if rank.tied else ''}", "range": shown, "whisker": None}
