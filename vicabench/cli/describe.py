"""`vicabench describe`: what models say of each video, to be judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vicabench.cli import run
from vicabench.cli.options import NewTokensOption, filled
from vicabench.cli.sharing import with_options_of

NOT_ASKED = ("tasks", "no_video", "wording", "protocol", "table", "published")


@with_options_of(run.command, but=NOT_ASKED)
def command(
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="What describes: a hub id, a folder, openai:NAME ..., or a pattern with {p}: "
            "./mine-{p}p. Repeat to run several.",
            metavar="SPEC",
        ),
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option(help="A published series of checkpoints: ViCA2-7B ... Repeat for several."),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="What is asked about every video (default: to describe it in detail)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder (default: runs/BENCHMARK-descriptions/MODEL); with several models, "
            "the folder that holds a run folder for each."
        ),
    ] = None,
    max_new_tokens: NewTokensOption = 4096,
    **options: Any,
) -> None:
    """Have models describe every video of a benchmark, once each.

    The descriptions are a run folder as answers are: the same command
    continues an interrupted one. They have no right answer: vicabench judge
    has a language model score them. Exit code 1: some videos have no
    description.
    """
    from vicabench.benchmarks.descriptions import PROMPT
    from vicabench.cli.describing import describe_all, specs_of
    from vicabench.cli.running import Request
    from vicabench.engine.options import ExecutionOptions, VideoOptions
    from vicabench.types import ModelOptions

    given = {
        **options,
        "models": specs_of(model or (), series or ()),
        "out": out,
        "max_new_tokens": max_new_tokens,
        "tasks": (),
        "no_video": False,
        "wording": "vica",
        "protocol": "official",
        "table": "terminal",
        "published": False,
    }
    given |= {
        "options": filled(ModelOptions, given),
        "video": filled(VideoOptions, given),
        "execution": filled(ExecutionOptions, given),
    }
    describe_all(filled(Request, given), PROMPT if prompt is None else prompt)
