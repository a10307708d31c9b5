"""`vicabench train`: train by a published recipe, or plan what that would do and cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import vicabench as vb
from vicabench.cli.output import interruptible
from vicabench.cli.usage import OUTPUT, SPEED
from vicabench.errors import ConfigError
from vicabench.front.train import recipe_rows
from vicabench.reporting.tables import Sheet, show_sheets
from vicabench.screen import console, echo

SHORTHANDS = {
    "pack": "batch.pack",
    "devices": "hardware.devices",
    "save_every": "saving.every",
    "out": "output",
}
"""Settings with a separate option."""
TRAINED, PLAN = "What to train", "Before training"
KEPT = "Checkpoints are kept. If there is one, repeat the command with --resume last to continue."


def command(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="A recipe of --list, such as vica2-stage3."),
    ] = None,
    *,
    list_recipes: Annotated[
        bool, typer.Option("--list", help="List the recipes.", rich_help_panel=PLAN)
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Train nothing: print the configuration, parameters, steps, tokens, operations "
            "and memory. Needs neither weights nor data.",
            rich_help_panel=PLAN,
        ),
    ] = False,
    gpu_memory: Annotated[
        float | None,
        typer.Option(
            metavar="GB",
            help="With --dry-run: the memory of a GPU, for which their smallest number is stated.",
            show_default="80",
            rich_help_panel=PLAN,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting by its dotted name. Repeat for several.",
            rich_help_panel=TRAINED,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="The data: a folder, .json, .jsonl, or a .yaml mixture of them.",
            rich_help_panel=TRAINED,
        ),
    ] = None,
    media: Annotated[
        Path | None,
        typer.Option(
            help="The folder that videos and images are relative to.",
            metavar="DIR",
            rich_help_panel=TRAINED,
        ),
    ] = None,
    pack: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Conversations about a video in one sequence; published models used 1.",
            rich_help_panel=SPEED,
        ),
    ] = None,
    devices: Annotated[
        int | None, typer.Option(min=1, help="Number of local GPUs.", rich_help_panel=SPEED)
    ] = None,
    save_every: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Share of the data between checkpoints: 5%.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the checkpoints.",
            metavar="DIR",
            show_default="checkpoints/NAME",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Continue from a checkpoint of the run: last, or its name.",
            metavar="NAME",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
) -> None:
    """Train a model by a published recipe, or plan its cost with --dry-run."""
    _refuse_ignored({name: value for name, value in locals().items() if value})
    with interruptible(KEPT):
        if list_recipes:
            _list()
            return
        share = None if save_every is None else _share(save_every)
        values = zip(SHORTHANDS.values(), (pack, devices, share, out), strict=True)
        given = [f"{name}={value}" for name, value in values if value is not None]
        if recipe is None:
            raise ConfigError("No recipe is given. `vicabench train --list` shows the recipes.")
        chosen: dict[str, Any] = {
            "data": data,
            "media": media,
            "settings": [*given, *(settings or [])],
        }
        if dry_run:
            plan = vb.training_plan(recipe, gpu_memory=gpu_memory, **chosen)
            echo(plan.config)
            plan.show(console())
        else:
            folder = vb.train(recipe, resume=resume, **chosen)
            echo(f"{folder.name} is in {folder}. Ask it: vicabench run --model {folder}")


def _refuse_ignored(typed: Mapping[str, Any]) -> None:
    """Raise ConfigError for options that other options would override."""
    spelled = {"recipe": str(typed.get("recipe")), "list_recipes": "--list", "settings": "--set"}
    names = [spelled.get(name, "--" + name.replace("_", "-")) for name in typed]
    if "list_recipes" in typed and len(typed) > 1:
        names.remove("--list")
        raise ConfigError(f"--list trains nothing: leave out {', '.join(names)}.")
    if "dry_run" in typed and "resume" in typed:
        raise ConfigError("--dry-run plans a run from its beginning: leave out --resume.")
    if "gpu_memory" in typed and "dry_run" not in typed:
        raise ConfigError("--gpu-memory is for a plan: add --dry-run.")
    names_set = [text.partition("=")[0].strip() for text in typed.get("settings", [])]
    names_set += [name for option, name in SHORTHANDS.items() if option in typed]
    if twice := sorted({name for name in names_set if names_set.count(name) > 1}):
        raise ConfigError(
            f"{', '.join(twice)} is set twice: --pack, --devices, --save-every and --out are "
            "shorthands for settings. Set it once."
        )


def _share(text: str) -> float:
    """Parse a share such as `5%` or `0.05`."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ConfigError(
            f"--save-every {text}: give a share of the data, as 5% or 0.05."
        ) from None


def _list() -> None:
    columns = ("recipe", "starts from", "trains")
    show_sheets(console(), [Sheet(title="", columns=columns, rows=tuple(recipe_rows()), texts=3)])
