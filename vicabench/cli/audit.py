"""`vicabench audit`: what a benchmark gives away without its videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vicabench.cli.options import (
    DataOption,
    FormatOption,
    LimitOption,
    ProtocolOption,
    SubsetOption,
    TasksOption,
    tasks_named,
)
from vicabench.cli.usage import OUTPUT

FITTING, PRUNING = "How to guess", "Pruning"


def command(
    benchmark: Annotated[
        str,
        typer.Argument(
            help="A benchmark (`data list`), a folder or file of your own, or a hub id.",
            metavar="BENCHMARK",
        ),
    ],
    *,
    subset: SubsetOption = "full",
    data: DataOption = None,
    tasks: TasksOption = None,
    limit: LimitOption = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--with",
            metavar="RUN",
            help="A run without sight (--text-only, --blind), to stand beside the forest.",
            rich_help_panel=FITTING,
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option(min=2, help="Folds of the test set.", rich_help_panel=FITTING)
    ] = 5,
    seed: Annotated[
        int, typer.Option(help="Seed of folds and forests.", rich_help_panel=FITTING)
    ] = 42,
    trees: Annotated[
        int,
        typer.Option(
            min=1,
            help="Trees of a forest for choices; twice as many for numbers.",
            rich_help_panel=FITTING,
        ),
    ] = 100,
    prune: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel=PRUNING,
            help="Remove the most guessable questions until so many are left.",
        ),
    ] = None,
    prune_bias: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Or until the mean bias, in [0, 100], is at most this.",
            rich_help_panel=PRUNING,
        ),
    ] = None,
    prune_by: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="all, or task: the same share of every task.",
            rich_help_panel=PRUNING,
        ),
    ] = "all",
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Questions to remove before guessing again.",
            show_default="a twentieth",
            rich_help_panel=PRUNING,
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            min=0,
            help="How many of the most guessable questions to list.",
            rich_help_panel=OUTPUT,
        ),
    ] = 10,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the audit: JSON, all questions, figure, ids.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    protocol: ProtocolOption = "official",
    table: FormatOption = "terminal",
) -> None:
    """Measure what can be answered without the video.

    Forests guess every question from the texts and answers of the others
    (Test-set Stress-Test, arXiv 2511.04655). Needs scikit-learn, and neither
    a model nor videos.
    """
    import vicabench as vb
    from vicabench.cli.output import check_format, print_sheets
    from vicabench.screen import say

    check_format(table)
    audited = vb.audit(
        benchmark,
        subset=subset,
        data=data,
        tasks=tasks_named(tasks),
        limit=limit,
        run=run,
        folds=folds,
        seed=seed,
        trees=trees,
        prune_to=prune,
        prune_bias=prune_bias,
        prune_by=prune_by,
        batch=batch,
        top=top,
        protocol=protocol,
    )
    print_sheets(
        audited.sheets(),
        name=table,
        csv=lambda: audited.table("csv"),
        json=lambda: audited.table("json"),
    )
    if out is not None:
        files = audited.save(out)
        say("Wrote " + ", ".join(str(file) for file in files))
