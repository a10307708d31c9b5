"""`vicabench import`: results of other harnesses, as run folders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.errors import counted
from vicabench.screen import say

SHOWN = 10  # how many problems are printed


def command(
    harness: Annotated[
        str, typer.Argument(help="official, lmms-eval, vlmevalkit or jsonl.", metavar="HARNESS")
    ],
    path: Annotated[
        Path, typer.Argument(help="The file of per-sample outputs, or the harness's output folder.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    model: Annotated[
        str | None, typer.Option(help="The model's name (default: the one in the file).")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(help="Take the questions from vsi-bench, rooms or a questions.jsonl."),
    ] = None,
    subset: Annotated[str, typer.Option(help="vsi-bench: full, debiased or pruned.")] = "full",
    data: Annotated[
        Path | None, typer.Option(help="vsi-bench: the folder it was fetched to.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="jsonl: our column name and the file's: response=output.text. Repeat for several."
        ),
    ] = None,
) -> None:
    """Turn the results of another harness into a run folder.

    official: the vsibench.json of the benchmark authors' harness, and
    lmms-eval: its samples file, both written by --log_samples. vlmevalkit:
    its xlsx, tsv or json of predictions. jsonl: any file with one answer per
    line. Fields missing from the file are taken from --benchmark.
    Exit code 1: some rows could not be read; each is named.
    """
    imported = vb.import_results(
        harness,
        path,
        out,
        model=model,
        benchmark=benchmark,
        subset=subset,
        data=data,
        columns=column or (),
    )
    for line in imported.problems[:SHOWN]:
        say(line)
    if more := len(imported.problems[SHOWN:]):
        say(f"... and {counted(more, 'more row')} that could not be read.")
    for line in imported.notes:
        say(line)
    predictions, unread = imported.run.predictions, len(imported.problems)
    videos = len({p.question.video for p in predictions})
    without = f", without {counted(unread, 'row')}" if unread else ""
    say(
        f"Wrote {counted(len(predictions), 'answer')} about {counted(videos, 'video')} to {out}"
        f"{without}. Grade them: vicabench score {out}"
    )
    sys.exit(1 if imported.problems else 0)
