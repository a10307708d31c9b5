"""`vicabench maps`: cognitive maps of videos by models, and their scores."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import vicabench as vb
from vicabench.adapters import find_adapter
from vicabench.cli.describe import command as describe_command
from vicabench.cli.options import FormatOption, NewTokensOption, only_one, with_options_of
from vicabench.cli.output import check_format, print_sheets
from vicabench.cli.preset_options import MetaOption
from vicabench.cli.run import run_options
from vicabench.cli.usage import ASKED, OUTPUT
from vicabench.front.describe import NOT_ASKED, specs_of
from vicabench.front.folders import run_folders
from vicabench.front.maps import check_map_prompt, maps_csv, maps_sheets
from vicabench.front.run import shard_named
from vicabench.front.run_options import RunOptions
from vicabench.mapping.asking import PROMPT, map_requests
from vicabench.screen import say


@with_options_of(describe_command, but=("prompt", "out", "max_new_tokens"))
def command(
    *,
    meta: MetaOption = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="The prompt, with {categories} in it.",
            show_default="the paper's",
            rich_help_panel=ASKED,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder (default: runs/BENCHMARK-maps/MODEL); with several models, the "
            "folder that holds a run folder for each.",
            metavar="DIR",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    max_new_tokens: NewTokensOption = 2048,
    table: FormatOption = "terminal",
    **options: Any,
) -> None:
    """Have models draw a map of every video of a benchmark, and score the maps.

    Each model is asked once per video where the objects are on a grid of 10x10
    cells, as in "Thinking in Space" (arXiv 2412.14171). Repeat the same command
    to continue an interrupted run. Exit code 1: some videos have no reply.
    """
    options |= NOT_ASKED | {"max_new_tokens": max_new_tokens}
    asked = PROMPT if prompt is None else prompt
    specs = specs_of(options["model"] or (), options["series"] or ())
    check_map_prompt(asked)
    check_format(table)
    given = run_options(options)
    checked = RunOptions.of(given, frames=options["frames"])
    checked.check()
    part = None if options["shard"] is None else shard_named(options["shard"], checked)
    for spec in specs:
        find_adapter(spec)  # refuse a misspelt model before running the others
    where = {name: options[name] for name in ("subset", "data", "videos")}
    loaded = vb.benchmark(only_one(options["benchmark"]), **where)
    name = map_requests(loaded.benchmark, asked).name
    how = {name: options[name] for name in ("frames", "seed", "retry_errors", "limit")}
    how |= {name: value for name, value in given.items() if name not in NOT_ASKED}
    suffix = "-blind" if options["blind"] else ""
    found = [
        vb.maps(spec, loaded, meta=meta, prompt=asked, out=folder, shard=part, **how)
        for spec, folder in run_folders(specs, name, out=out, suffix=suffix).items()
    ]
    print_sheets(
        maps_sheets(found),
        name=table,
        csv=lambda: maps_csv(found),
        json=lambda: json.dumps([each.to_json() for each in found], indent=2),
    )
    say("Maps: " + ", ".join(str(each.run.path) for each in found))
    complete = all(each.complete for each in found)
    if not complete:
        say("Some videos have no reply (exit code 1); --retry-errors retries them.")
    sys.exit(0 if complete else 1)
