"""`vicabench doctor`: what this machine has for vicabench, what it lacks, and how to get that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    frame_cache: Annotated[
        Path | None,
        typer.Option(help="Look at this frame cache, too.", metavar="DIR"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Say what works on this machine and what does not, with the command that puts it right.

    Versions, devices, memory, disks, decoders, the hub, caches and extras. Nothing is changed.
    Exit code 1: something that vicabench cannot do without is broken.
    """
    from vicabench.cli.examining import examine_machine

    examine_machine(frame_cache, as_json=as_json)
