"""`vicabench models`: list, fetch, look at and make checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vicabench.cli.data import KEPT, interruptible
from vicabench.errors import ConfigError
from vicabench.screen import console, echo

app = typer.Typer(no_args_is_help=True, help="List, fetch, look at and make checkpoints.")

WIDE = 130
"""Columns of a terminal in which there is room for descriptions."""

SpecArgument = Annotated[
    str, typer.Argument(metavar="SPEC", help="A hub id (nkkbr/ViCA2, or with @REVISION).")
]
AnySpecArgument = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="A hub id, the folder of a checkpoint, or a size: 7b, vica-7b, tiny, vica-tiny.",
    ),
]


@app.command("list")
def list_models() -> None:
    """List the published checkpoints, and what of them is in the local cache."""
    from rich.table import Table

    from vicabench.reference import model_zoo
    from vicabench.zoo import cached

    here, screen = cached(), console()
    wide = screen.width >= WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("checkpoint", "family", "series", "%", "stage"):
        table.add_column(name, no_wrap=True)
    table.add_column("on disk")
    if wide:
        table.add_column("description")
    for model in model_zoo():
        found = here.get(model.repo)
        state = "" if found is None else _bytes(found.size) + ("" if found.whole else ", partly")
        percent = "" if model.percent is None else str(model.percent)
        row = (model.repo, model.family, model.series, percent, model.stage, state)
        table.add_row(*row, *([model.description] if wide else []))
    screen.print(table)


@app.command()
def fetch(spec: SpecArgument) -> None:
    """Download a checkpoint into the local cache; continues where it was interrupted."""
    from vicabench.adapters.local import located
    from vicabench.zoo import fetch as fetch_checkpoint

    if Path(spec).is_dir():
        raise ConfigError(f"{spec} is a folder on this machine: --model {spec} uses it as it is.")
    name, hub = located(spec)
    with interruptible(KEPT):
        folder = fetch_checkpoint(name, hub.get("revision"), recheck=True)
    echo(f"{name} at {folder.name} is in {folder}.")


@app.command()
def show(
    spec: AnySpecArgument,
    *,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames of a video.")] = None,
    hiera_frames: Annotated[
        int | None, typer.Option(min=1, help="How many of them Hiera sees.")
    ] = None,
    hiera_stage: Annotated[
        int | None, typer.Option(min=1, max=4, help="After which stage its features are taken.")
    ] = None,
    hiera_pool: Annotated[int | None, typer.Option(min=1, help="Stride of their pooling.")] = None,
) -> None:
    """Show what a checkpoint is made of, and how many tokens a video costs in it."""
    from vicabench.adapters.local import explained

    with explained():
        from vicabench.cli.summary import summary

        lines = summary(
            spec,
            frames=frames,
            hiera_frames=hiera_frames,
            hiera_stage=hiera_stage,
            hiera_pool=hiera_pool,
        )
    echo("\n".join(lines))


@app.command()
def init(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint.")],
    size: Annotated[str, typer.Option(help="tiny.")] = "tiny",
    family: Annotated[str, typer.Option(help="vica2 or vica.")] = "vica2",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Same seed, same weights.")] = 0,
) -> None:
    """Make a checkpoint with random weights in the published layout, to try things out with."""
    from vicabench.adapters.local import explained

    if size != "tiny":
        raise ConfigError(f"There is no --size {size} to make: choose tiny.")
    with explained():
        from vica import write_tiny_checkpoint

        write_tiny_checkpoint(out, family=family, seed=seed)
    echo(f"{family}, {size}, with random weights, is in {out}. Run it: --model {out}")


def _bytes(count: int) -> str:
    """A size as people read it, in decimal units as disks are sold."""
    value, units = float(count), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while value >= 1000 and unit != "GB":
        value, unit = value / 1000, next(units)
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
