"""`vicabench verify`: check the shared prefill against separate prompts on a sample."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from typing import Annotated

import typer
from rich.text import Text

import vicabench as vb
from vicabench.cli.completing import complete_model
from vicabench.cli.options import (
    AttentionOption,
    BenchmarkOption,
    BlindOption,
    CompileOption,
    DataOption,
    DeviceOption,
    DtypeOption,
    FramesOption,
    GroupOption,
    NewTokensOption,
    SubsetOption,
    TimeOption,
    VideosOption,
    VisionOption,
    WordingOption,
)
from vicabench.cli.usage import ASKED, MODEL, OUTPUT
from vicabench.options import FRAMES
from vicabench.screen import console, echo
from vicabench.types import ModelOptions


def command(
    model: Annotated[
        str,
        typer.Option(
            help="A checkpoint: a hub id or folder.",
            metavar="SPEC",
            rich_help_panel=MODEL,
            autocompletion=complete_model,
        ),
    ],
    benchmark: BenchmarkOption = "rooms",
    subset: SubsetOption = "full",
    data: DataOption = None,
    videos: VideosOption = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Use only the first N videos.", rich_help_panel=ASKED)
    ] = 3,
    frames: FramesOption = FRAMES,
    max_new_tokens: NewTokensOption = 1024,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "sdpa",
    time_instruction: TimeOption = False,
    blind: BlindOption = False,
    wording: WordingOption = "auto",
    group_size: GroupOption = 0,
    vision_batch: VisionOption = 0,
    compile: CompileOption = False,  # noqa: A002  (the option's name)
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON instead of text.", rich_help_panel=OUTPUT),
    ] = False,
) -> None:
    """Check that sharing a video's prefill does not change what a model answers.

    Every question of a few videos is answered twice: together from one
    prefill, and alone, as in the original code. Exit code 1: a reply differs,
    or a video could not be answered.
    """
    given = locals()
    asked = vb.benchmark(benchmark, subset=subset, data=data, videos=videos, limit=limit)
    options = {
        field.name: given[field.name] for field in fields(ModelOptions) if field.name in given
    }
    result = vb.verify(model, asked, limit=None, frames=frames, **options)
    if as_json:
        echo(json.dumps({**result.to_dict(), "benchmark": benchmark}, indent=2))
    else:
        for line in result.text().split("\n"):
            console().print(Text(line), soft_wrap=True)
    sys.exit(0 if result.good else 1)
