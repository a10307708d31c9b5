"""`vicabench demo`: the whole loop in small, from nothing to a scaling curve, on a CPU."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import CalledProcessError
from typing import Annotated

import typer

import vicabench as vb
from vicabench.cli.progress import interruptible

KEPT = "What was done is kept: type the same command again to go on."


def command(
    out: Annotated[Path, typer.Option(help="Folder for everything that is made.")] = Path("demo"),
    *,
    scenes: Annotated[int, typer.Option(min=1, help="Rooms to train on.")] = 800,
    test_scenes: Annotated[int, typer.Option(min=1, help="Rooms to test on.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Of training; test rooms are others.")] = 1,
    blind: Annotated[
        bool, typer.Option("--blind", help="Train on grey frames: what language alone can learn.")
    ] = False,
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch",
            help="Make the base as well, by lessons and exercises, instead of taking the one that "
            "comes with vicabench: about half an hour more.",
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
        except CalledProcessError as error:  # which has said why
            sys.exit(error.returncode)
