"""`vicabench demo`: the whole loop in small, from nothing to a scaling curve, on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vicabench.cli.data import interruptible

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
    from vicabench.adapters.extras import explained

    with explained(), interruptible(KEPT):
        from vicabench.cli.demonstration import Demonstration, demonstrate

        demonstrate(
            Demonstration(
                out=out,
                scenes=scenes,
                test_scenes=test_scenes,
                seed=seed,
                blind=blind,
                from_scratch=from_scratch,
            )
        )
