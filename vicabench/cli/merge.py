"""`vicabench merge`: the parts of a run that `--shard` wrote, merged into one run folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.errors import counted
from vicabench.screen import say


def command(
    parts: Annotated[list[Path], typer.Argument(help="The run folders of the parts.")],
    *,
    out: Annotated[Path, typer.Option(help="Run folder for the whole run.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Merge even if parts are missing.")
    ] = False,
) -> None:
    """Merge the parts of a sharded run into one run folder.

    All parts of the run must exist; missing ones are named. The parts are not
    changed. Exit code 1: some questions failed or, with --partial, are missing.
    """
    merged = vb.merge(parts, out, partial=partial)
    lines = []
    if merged.missing:
        lines.append(f"Parts missing: {', '.join(map(str, merged.missing))}.")
    if merged.unasked:
        lines.append(f"Questions of the parts not asked yet: {merged.unasked}.")
    if merged.failed:
        lines.append(
            f"Questions that failed: {merged.failed}. To retry them, repeat the run's command with "
            f"--out {out} and --retry-errors, without --shard."
        )
    then = f"Have them judged: vicabench judge {out} --model openai:NAME"
    if not merged.descriptions:
        then = f"Grade them: vicabench score {out}"
    lines.append(
        f"Merged into {out}: {merged.answers:,} of {counted(merged.questions, 'answer')}. {then}"
    )
    for line in lines:
        say(line)
    sys.exit(0 if merged.answers == merged.questions else 1)
