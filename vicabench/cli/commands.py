"""The commands by name. A command's module is imported when it is run or its help is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

from vicabench.screen import Commands


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A command: its name, the first line of its help, and the module below `vicabench.cli`.

    The module has the function `command`, or for a group of commands the Typer `app`.
    """

    name: str
    help: str
    module: str

    @property
    def stub(self) -> Any:
        """What the list of commands shows."""
        return TyperCommand(self.name, help=self.help)

    @cache  # noqa: B019  (the few entries of the table live as long as the process)
    def load(self) -> Any:
        """The command with its options."""
        module = import_module(f"vicabench.cli.{self.module}")
        app = getattr(module, "app", None)
        if app is None:
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            app.command(self.name)(module.command)
        command = typer.main.get_command(app)
        command.name = self.name
        return command


def _entry(name: str, text: str, *, module: str = "") -> Entry:
    return Entry(name=name, help=text, module=module or name.replace("-", "_"))


ENTRIES = (
    _entry(
        "run", "Answer a benchmark's questions, keep the answers in a run folder, print the table."
    ),
    _entry("score", "Grade run folders or predictions files and print the table."),
    _entry(
        "ask",
        "Encode a video once and answer each question about it, from the arguments or at a prompt.",
    ),
    _entry(
        "canonicalize",
        "Have a language model turn each final answer into a number or a letter.",
    ),
    _entry("describe", "Have models describe every video of a benchmark, once each."),
    _entry("judge", "Have a language model score descriptions of videos, 0 to 10."),
    _entry("verify", "Check that sharing a video's prefill does not change what a model answers."),
    _entry("merge", "Join the parts of a run to a run folder like that of a run in one piece."),
    _entry("import", "Turn what another harness answered into a run folder.", module="import_"),
    _entry("compare", "Compare runs with the first one, question by question."),
    _entry("published", "Show published scores, curves and checkpoints, each with its source."),
    _entry(
        "figures",
        "Draw figures of runs: for one column or the width of a paper, readable in grey.",
    ),
    _entry(
        "scaling-curve",
        "Run the checkpoints of a series that are not yet run, and draw score against data.",
    ),
    _entry(
        "report",
        "Make one self-contained page of tables, figures and every question with its replies.",
    ),
    _entry(
        "demo",
        "Build rooms, train a tiny ViCA2 on them, test all twenty checkpoints, draw the curve.",
    ),
    _entry(
        "doctor",
        "Say what works on this machine and what does not, with the command that puts it right.",
    ),
    _entry(
        "train",
        "Train a model of the family by a recipe, or with --dry-run see what that would do.",
    ),
    _entry("data", "Fetch, build and list benchmarks and training data."),
    _entry("models", "List, fetch, look at and make checkpoints."),
)
"""All commands, in the order in which `--help` lists them."""


class Loaded(Mapping[str, Any]):
    """The commands with their options by name; one is imported when it is looked up."""

    def __init__(self) -> None:
        self._entries = {entry.name: entry for entry in ENTRIES}

    def __getitem__(self, name: str) -> Any:
        return self._entries[name].load()

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class LazyCommands(Commands):
    """The group of all commands: lists them without importing any, and imports the one that is run.

    `commands` is a `Loaded`.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Loaded()  # type: ignore[assignment]  # nothing is added to it

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  (click's signature)
        """As in click."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  (click's signature)
        """As in click; a stub, which has only the command's name and the first line of its help."""
        return next((entry.stub for entry in ENTRIES if entry.name == cmd_name), None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As in click: the command that is to be run, imported."""
        name, stub, rest = super().resolve_command(ctx, args)
        return name, self.commands[str(name)] if stub else None, rest

    def invoke(self, ctx: Any) -> Any:
        """As in click; what Ctrl-C ends has said what is kept."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
