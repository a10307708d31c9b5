"""`vicabench canonicalize`: final answers made numbers and letters, blind to the ground truth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import vicabench as vb
from vicabench.cli.options import text_options, with_options_of
from vicabench.front.canonicalize import outcomes
from vicabench.screen import say


@with_options_of(text_options, but=())
def command(
    path: Annotated[Path, typer.Argument(help="A run folder or predictions file.", metavar="RUN")],
    *,
    model: Annotated[
        str,
        typer.Option(
            help="Who reads the answers: openai:NAME, gemini:NAME or hf:ORG/NAME.", metavar="SPEC"
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder to write (default: that of the run, with -canonical)."),
    ] = None,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens of its reply at most; models that think need many.")
    ] = 512,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Ask again where it failed.")
    ] = False,
    **options: Any,
) -> None:
    """Have a language model turn each final answer into a number or a letter.

    The second step of the ViCA report for its Thinking models. The model
    gets the question and the final answer, never the ground truth; its
    replies are kept, so that none is asked for twice. What it makes is a run
    folder of its own, which score, compare and report take and call derived.
    The same command continues an interrupted one. Exit code 1: some questions
    have no answer.
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
