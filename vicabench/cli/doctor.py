"""`vicabench doctor`: checks of this machine, with fixes for what is missing."""

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
        typer.Option(help="Also check this frame cache.", metavar="DIR"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Check what works on this machine, and show the command that fixes what does not.

    Checks versions, devices, memory, disks, decoders, the hub, caches and
    extras, and changes nothing. Exit code 1: something that vicabench needs
    is broken.
    """
    report = vb.examine_machine(frame_cache)
    if as_json:
        echo(json.dumps(report.to_dict(), indent=2))
    else:
        report.show(console())
    sys.exit(0 if report.healthy else 1)
