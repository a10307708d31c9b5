"""`vicabench canonicalize`: final answers turned into numbers and letters."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import vicabench as vb
from vicabench.cli.api_options import text_options
from vicabench.cli.options import with_options_of
from vicabench.front.canonicalize import outcomes
from vicabench.screen import say


@with_options_of(text_options, but=())
def command(
    path: Annotated[Path, typer.Argument(help="A run folder or predictions file.", metavar="RUN")],
    *,
    model: Annotated[
        str,
        typer.Option(
            help="The model that reads the answers: openai:NAME, gemini:NAME, anthropic:NAME "
            "or hf:ORG/NAME.",
            metavar="SPEC",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder to write (default: the run's folder with -canonical)."),
    ] = None,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Maximum tokens in a reply; models that think need many.")
    ] = 512,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Retry answers that it failed to read.")
    ] = False,
    **options: Any,
) -> None:
    """Have a language model turn each final answer into a number or a letter.

    This is the second step of the ViCA report's evaluation of Thinking models.
    The model gets the question and the final answer, never the ground truth.
    Its replies are cached, so that no request is sent twice. The result is a
    separate run folder, which score, compare and report mark as derived.
    Repeat the same command to continue an interrupted one. Exit code 1: some
    questions have no answer.
    """
    derived = vb.canonicalize(
        path,
        model,
        out=out,
        max_new_tokens=max_new_tokens,
        retry_errors=retry_errors,
        **options,
    )
    say(outcomes(derived))
    say(f"Grade them: vicabench score {path} {derived.path}")
    sys.exit(1 if any(p.response is None for p in derived.predictions) or derived.unasked else 0)
