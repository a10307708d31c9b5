"""`vicabench describe`: descriptions of videos by models, to be judged."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import vicabench as vb
from vicabench.adapters import find_adapter
from vicabench.benchmarks.descriptions import PROMPT, descriptions
from vicabench.cli.completing import complete_model
from vicabench.cli.options import NewTokensOption, only_one, with_options_of
from vicabench.cli.run import command as run_command
from vicabench.cli.run import run_options
from vicabench.cli.usage import ASKED, MODEL, OUTPUT
from vicabench.front.describe import NOT_ASKED, check_prompt, described_sheet, specs_of
from vicabench.front.folders import run_folders
from vicabench.front.run import shard_named
from vicabench.front.run_options import RunOptions
from vicabench.reporting.tables import show_sheets
from vicabench.results.run import Run
from vicabench.screen import console, say

LEFT_OUT = (*NOT_ASKED, "preset", "tasks", "protocol", "table", "published", "config", "dry_run")


@with_options_of(run_command, but=LEFT_OUT)
def command(
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="The model: a hub id, a folder, openai:NAME ..., or a pattern with {p}: "
            "./mine-{p}p. Repeat for several.",
            metavar="SPEC",
            rich_help_panel=MODEL,
            autocompletion=complete_model,
        ),
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option(
            help="A published series of checkpoints, such as ViCA2-7B. Repeat for several.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="The prompt for every video (default: to describe it in detail).",
            rich_help_panel=ASKED,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder (default: runs/BENCHMARK-descriptions/MODEL); with several models, "
            "the folder that holds a run folder for each.",
            metavar="DIR",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    max_new_tokens: NewTokensOption = 4096,
    **options: Any,
) -> None:
    """Have models describe every video of a benchmark.

    Descriptions are saved in a run folder, as answers are: repeat the same
    command to continue an interrupted run. They have no ground truth;
    vicabench judge has a language model score them. Exit code 1: some videos
    have no description.
    """
    options |= NOT_ASKED | {"max_new_tokens": max_new_tokens}
    asked = PROMPT if prompt is None else prompt
    specs = specs_of(model or (), series or ())
    check_prompt(asked)
    given = run_options(options)
    checked = RunOptions.of(given, frames=options["frames"])
    checked.check()
    part = None if options["shard"] is None else shard_named(options["shard"], checked)
    for spec in specs:
        find_adapter(spec)  # refuse a misspelt model before running the others
    where = {name: options[name] for name in ("subset", "data", "videos")}
    loaded = vb.benchmark(only_one(options["benchmark"]), **where)
    videos = vb.benchmark(descriptions(loaded.benchmark, asked), limit=options["limit"])
    how = {name: options[name] for name in ("frames", "seed", "retry_errors", "limit")}
    how |= {name: value for name, value in given.items() if name not in NOT_ASKED}
    runs = []
    for spec, folder in run_folders(
        specs, videos.benchmark.name, out=out, suffix="-blind" if options["blind"] else ""
    ).items():
        runs.append(vb.describe(spec, loaded, prompt=asked, out=folder, shard=part, **how))
    show_sheets(console(), [described_sheet(runs, asked)])
    _say_next(runs)


def _say_next(runs: Sequence[Run]) -> None:
    places = " ".join(str(run.path) for run in runs)
    say(f"Have them judged: vicabench judge {places} --model openai:NAME")
    failed = any(run.unasked or any(p.response is None for p in run.predictions) for run in runs)
    if failed:
        say("Some videos have no description (exit code 1); --retry-errors retries them.")
    sys.exit(1 if failed else 0)
