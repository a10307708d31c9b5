"""`vicabench publish`: a run for others to read and repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.cli.options import ProtocolOption
from vicabench.errors import ConfigError, counted
from vicabench.publishing.bundle import HUB
from vicabench.screen import echo


def command(
    path: Annotated[Path, typer.Argument(help="A finished run folder.", metavar="RUN")],
    *,
    to: Annotated[
        str, typer.Option(metavar="PLACE", help="A new folder, or hub:ORG/NAME on the hub.")
    ],
    protocol: ProtocolOption = "official",
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository of the hub private.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Upload to the hub; without it, only show what would be.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be published.")
    ] = False,
) -> None:
    """Publish a run: answers, configuration, report, and a card with its scores.

    Media, paths and machines are left out, and a run with a key in it is
    refused. The card has the scores as `model-index` and the commands that
    repeat the run.
    """
    if yes and (dry_run or not to.startswith(HUB)):
        raise ConfigError("--yes is for uploading to the hub (--to hub:ORG/NAME).")
    asks = to.startswith(HUB) and not yes
    done = vb.publish(path, to, protocol=protocol, private=private, dry_run=dry_run or asks)
    for name, content in done.files.items():
        echo(f"{name}  {counted(len(content), 'byte')}")
    if done.place is not None:
        echo(f"Published: {done.place}")
    else:
        echo(done.files["README.md"].decode())
        echo("Nothing was published." + (" Repeat with --yes to upload it." if asks else ""))
