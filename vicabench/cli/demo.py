"""`vicabench demo`: a small complete experiment on a CPU, from data to a scaling curve."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import CalledProcessError
from typing import Annotated

import typer

import vicabench as vb
from vicabench.cli.output import interruptible

KEPT = "What was done is kept. Repeat the same command to continue."


def command(
    out: Annotated[Path, typer.Option(help="Folder for all outputs.")] = Path("demo"),
    *,
    scenes: Annotated[int, typer.Option(min=1, help="Rooms to train on.")] = 800,
    test_scenes: Annotated[int, typer.Option(min=1, help="Rooms to test on.")] = 30,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the training rooms; test rooms use another.")
    ] = 1,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="Train on grey frames, to see what language alone can learn."),
    ] = False,
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch",
            help="Train the base checkpoint as well, instead of using the one that vicabench "
            "includes: about half an hour more.",
        ),
    ] = False,
) -> None:
    """Build rooms, train a tiny ViCA2 on them, test all twenty checkpoints, draw the curve."""
    with interruptible(KEPT):
        try:
            vb.demo(
                out,
                scenes=scenes,
                test_scenes=test_scenes,
                seed=seed,
                blind=blind,
                from_scratch=from_scratch,
            )
        except CalledProcessError as error:  # the command has printed the reason
            sys.exit(error.returncode)
