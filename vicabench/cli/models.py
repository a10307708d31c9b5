"""`vicabench models`: list, fetch, inspect and create checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.adapters.checkpoints import located
from vicabench.cli.command import Command, CommandGroup
from vicabench.cli.output import KEPT, interruptible
from vicabench.front.models import SHIPPED_FOR, shipped_size
from vicabench.reference import model_zoo
from vicabench.reporting.tables import Sheet, show_sheets
from vicabench.screen import console, echo
from vicabench.zoo import Cached, cached

app = typer.Typer(
    cls=CommandGroup,
    add_completion=False,
    no_args_is_help=True,
    help="List, fetch, inspect and create checkpoints.",
)

WIDE = 130
"""Terminal width in columns from which descriptions fit."""

SpecArgument = Annotated[
    str,
    typer.Argument(
        metavar="SPEC", help="A hub id, such as nkkbr/ViCA2, optionally with @REVISION."
    ),
]
AnySpecArgument = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="A hub id, the folder of a checkpoint, vica2-rooms, or a size: 7b, vica-7b, tiny ...",
    ),
]


@app.command("list", cls=Command)
def list_models() -> None:
    """List the included and the published checkpoints and their size on disk."""
    local, wide = cached(), console().width >= WIDE
    included = [
        (
            *(name, "vica2", "Rooms", "100", "included", _bytes(shipped_size(name))),
            *([about] if wide else []),
        )
        for name, about in SHIPPED_FOR.items()
    ]
    rows = [
        (
            *(model.repo, model.family, model.series),
            "" if model.percent is None else str(model.percent),
            *(model.stage, _on_disk(local.get(model.repo))),
            *([model.description] if wide else []),
        )
        for model in model_zoo()
    ]
    columns = (
        *("checkpoint", "family", "series", "%", "stage", "on disk"),
        *(["description"] if wide else []),
    )
    sheet = Sheet(title="", columns=columns, rows=(*included, *rows), texts=len(columns))
    show_sheets(console(), [sheet])


def _on_disk(model: Cached | None) -> str:
    return "" if model is None else _bytes(model.size) + ("" if model.whole else ", partly")


@app.command(cls=Command)
def fetch(spec: SpecArgument) -> None:
    """Download a checkpoint into the local cache; continue an interrupted download."""
    with interruptible(KEPT):
        folder = vb.models.fetch(spec)
    name, _ = located(spec)
    echo(f"{name} at {folder.name} is in {folder}.")


@app.command(cls=Command)
def show(
    spec: AnySpecArgument,
    *,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames per video.")] = None,
    hiera_frames: Annotated[
        int | None, typer.Option(min=1, help="How many of them Hiera sees.")
    ] = None,
    hiera_stage: Annotated[
        int | None, typer.Option(min=1, max=4, help="Hiera stage whose features are used.")
    ] = None,
    hiera_pool: Annotated[
        int | None, typer.Option(min=1, help="Pooling stride of these features.")
    ] = None,
) -> None:
    """Show the parts of a checkpoint and the number of tokens per video."""
    echo(
        vb.models.show(
            spec,
            frames=frames,
            hiera_frames=hiera_frames,
            hiera_stage=hiera_stage,
            hiera_pool=hiera_pool,
        )
    )


@app.command(cls=Command)
def init(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint.")],
    size: Annotated[str, typer.Option(help="tiny.")] = "tiny",
    family: Annotated[str, typer.Option(help="vica2 or vica.")] = "vica2",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the weights.")] = 0,
) -> None:
    """Create a checkpoint with random weights in the published layout, for experiments."""
    vb.models.init(out, size=size, family=family, seed=seed)
    echo(f"{family}, {size}, with random weights, is in {out}. Run it: --model {out}")


def _bytes(count: int) -> str:
    """A readable size in decimal units."""
    value, units = float(count), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while value >= 1000 and unit != "GB":
        value, unit = value / 1000, next(units)
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
