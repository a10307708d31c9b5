"""`vicabench judge`: scores of video descriptions by a language model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import vicabench as vb
from vicabench.cli.api_options import text_options
from vicabench.cli.options import with_options_of
from vicabench.reporting.tables import show_sheets
from vicabench.screen import console, say


@with_options_of(text_options, but=())
def command(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Run folders of vicabench describe.", metavar="RUN..."),
    ],
    *,
    model: Annotated[
        str,
        typer.Option(
            help="The judge: openai:NAME, gemini:NAME, anthropic:NAME or hf:ORG/NAME.",
            metavar="SPEC",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for judgements, tables and figure; those of the same judge are replaced."
        ),
    ] = Path("judged"),
    format: Annotated[  # noqa: A002  (the option's name)
        str, typer.Option(help="Formats of the figure, comma-separated.")
    ] = "pdf,svg,png",
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Maximum tokens in a reply; judges that think need many.")
    ] = 1024,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Retry descriptions whose reply could not be read."),
    ] = False,
    **options: Any,
) -> None:
    """Have a language model score descriptions of videos, 0 to 10.

    Scores are for informativeness, fluency and spatial relevance, after
    Figure 3 of the ViCA2 report, with 95% intervals over videos. The judge sees
    one description at a time, and no video. Its replies are cached: repeat the
    same command to continue an interrupted one. Exit code 1: some videos have
    no description, or some descriptions have no score.
    """
    judgements = vb.judge(
        paths,
        model,
        out=out,
        formats=format,
        max_new_tokens=max_new_tokens,
        retry_errors=retry_errors,
        **options,
    )
    show_sheets(console(), judgements.sheets())
    say(f"Judgements, tables and figure: {out}")
    sys.exit(0 if judgements.complete else 1)
