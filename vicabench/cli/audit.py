"""`vicabench audit`: what a benchmark gives away without its videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicabench.cli.options import (
    DataOption,
    FormatOption,
    LimitOption,
    ProtocolOption,
    SubsetOption,
    TasksOption,
    changed,
    tasks_named,
)
from vicabench.cli.usage import OUTPUT
from vicabench.errors import ConfigError

if TYPE_CHECKING:
    from vicabench.front.audit import Audited
    from vicabench.front.labels import Labels
    from vicabench.front.overlap import Leaks

FITTING, PRUNING = "How to guess", "Pruning"


Given = dict[str, Any]
FITTED = ("run", "folds", "seed", "trees", "prune", "prune_bias", "prune_by", "batch")
UNUSED = {
    "": ("media",),
    "labels": (*FITTED, "media"),
    "against": (*FITTED, "protocol", "top"),
}
"""The options that each audit has no use for, by their names in Python."""


def command(
    what: Annotated[
        list[str],
        typer.Argument(
            help="A benchmark (`data list`), a folder or file of your own, or a hub id; with "
            "--labels runs, with --against more training files after it.",
            metavar="BENCHMARK...",
        ),
    ],
    *,
    subset: SubsetOption = "full",
    data: DataOption = None,
    tasks: TasksOption = None,
    limit: LimitOption = None,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="List right answers in doubt instead, by runs and by scene."),
    ] = False,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Look for the benchmark in training data instead (ViCA-322K's layout).",
        ),
    ] = None,
    media: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --against: compare also frames with the videos in this folder.",
        ),
    ] = None,
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
            help="How many questions to list.",
            rich_help_panel=OUTPUT,
        ),
    ] = 10,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for what was found: JSON, all questions, figure, ids.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    protocol: ProtocolOption = "official",
    table: FormatOption = "terminal",
) -> None:
    """Measure what can be answered without the video, or look for errors and leaks.

    Forests guess every question from the texts and answers of the others
    (Test-set Stress-Test, arXiv 2511.04655). Needs scikit-learn, and neither
    a model nor videos. With --labels or --against the right answers, or
    training data, are looked into instead.
    """
    from vicabench.cli.output import check_format, print_sheets
    from vicabench.reporting.files import made_folder
    from vicabench.screen import say

    check_format(table)
    mode = _mode(labels, bool(against))
    given: Given = {"run": run, "folds": folds, "seed": seed, "trees": trees, "prune": prune}
    given |= {"prune_bias": prune_bias, "prune_by": prune_by, "batch": batch}
    given |= {"protocol": protocol, "top": top, "media": media}
    refuse_unused(mode, changed(command, given))
    if out is not None:
        made_folder(out)  # what cannot be written is known before what takes minutes
    chosen = {"subset": subset, "data": data, "tasks": tasks_named(tasks), "limit": limit}
    found = _DOERS[mode](what, against or [], given, chosen)
    print_sheets(
        found.sheets(),
        name=table,
        csv=lambda: found.table("csv"),
        json=lambda: found.table("json"),
    )
    if out is not None:
        files = found.save(out)
        say("Wrote " + ", ".join(str(file) for file in files))


def _mode(labels: bool, against: bool) -> str:
    if labels and against:
        raise ConfigError("--labels and --against are two audits: give one of them.")
    return "labels" if labels else "against" if against else ""


def refuse_unused(mode: str, typed: Sequence[str]) -> None:
    """Raise ConfigError for options that were given and say nothing in this mode."""
    names = {"--run": "--with"}
    flags = ["--" + name.replace("_", "-") for name in UNUSED.get(mode, ())]
    if unused := [names.get(flag, flag) for flag in typed if flag in flags]:
        which = f"--{mode}" if mode else "An audit without --against"
        raise ConfigError(f"{which} has no use for {', '.join(unused)}: leave that out.")


def _stress(what: list[str], _: list[str], given: Given, chosen: Given) -> Audited:
    import vicabench as vb

    if len(what) > 1:
        raise ConfigError(
            f"{len(what)} benchmarks are named: audit one at a time. Runs go with --labels, "
            "training files with --against."
        )
    options = {name: value for name, value in given.items() if name not in ("prune", "media")}
    return vb.audit(what[0], prune_to=given["prune"], **options, **chosen)


def _labels(what: list[str], _: list[str], given: Given, chosen: Given) -> Labels:
    import vicabench as vb
    from vicabench.front.labels import is_of_runs

    runs = [name for name in what if is_of_runs(Path(name))]
    others = [name for name in what if name not in runs]
    if len(others) > 1:
        raise ConfigError(
            f"{', '.join(others)} are not runs, and one benchmark is looked at: name one."
        )
    usual = {"subset": "full", "data": None, "tasks": (), "limit": None}
    selection = {name: value for name, value in chosen.items() if value != usual[name]}
    return vb.audit_labels(
        [Path(run) for run in runs],
        source=others[0] if others else None,
        protocol=given["protocol"],
        top=given["top"],
        **selection,
    )


def _against(what: list[str], against: list[str], given: Given, chosen: Given) -> Leaks:
    import vicabench as vb

    return vb.audit_against(what[0], [*against, *what[1:]], media=given["media"], **chosen)


_DOERS: dict[str, Callable[[list[str], list[str], Given, Given], Audited | Labels | Leaks]] = {
    "": _stress,
    "labels": _labels,
    "against": _against,
}
