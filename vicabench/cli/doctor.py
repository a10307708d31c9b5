"""`vicabench doctor`: what this machine has for vicabench, what it lacks, and how to get that."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.screen import console, echo


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
    found = vb.examine_machine(frame_cache)
    if as_json:
        echo(json.dumps(found.to_dict(), indent=2))
    else:
        found.show(console())
    sys.exit(0 if found.healthy else 1)
