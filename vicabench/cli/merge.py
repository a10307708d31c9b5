"""`vicabench merge`: the parts of a run that `--shard` wrote, joined to one run folder."""

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
    out: Annotated[Path, typer.Option(help="Run folder of the whole.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Merge what is there, though parts are missing.")
    ] = False,
) -> None:
    """Join the parts of a run to a run folder like that of a run in one piece.

    They have to be parts of the same run, and all there; what is missing is
    named. The parts are left as they are. Exit code 1: some questions failed or,
    with --partial, are missing.
    """
    found = vb.merge(parts, out, partial=partial)
    lines = []
    if found.missing:
        lines.append(f"Parts missing: {', '.join(map(str, found.missing))}.")
    if found.unasked:
        lines.append(f"Questions of the parts not asked yet: {found.unasked}.")
    if found.failed:
        lines.append(
            f"Questions that failed: {found.failed}. The run's own command with --out {out} and "
            "--retry-errors, without --shard, asks them again."
        )
    then = f"Have them judged: vicabench judge {out} --model openai:NAME"
    if not found.descriptions:
        then = f"Grade them: vicabench score {out}"
    lines.append(
        f"Merged into {out}: {found.answers:,} of {counted(found.questions, 'answer')}. {then}"
    )
    for line in lines:
        say(line)
    sys.exit(0 if found.answers == found.questions else 1)
