"""The table of commands; a command's module is imported when it runs or shows its help."""

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

    The module defines the function `command`, or the Typer `app` of a group of commands.
    """

    name: str
    help: str
    module: str

    @property
    def stub(self) -> Any:
        """The entry in the list of commands."""
        return TyperCommand(self.name, help=self.help)

    @cache  # noqa: B019  (the few entries of the table live as long as the process)
    def load(self) -> Any:
        """Import the command with its options."""
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
        "run", "Answer a benchmark's questions, save the answers in a run folder, print the scores."
    ),
    _entry("score", "Grade run folders or predictions files and print the scores."),
    _entry(
        "ask",
        "Encode a video once and answer questions about it, from the arguments or a prompt.",
    ),
    _entry(
        "canonicalize",
        "Have a language model turn each final answer into a number or a letter.",
    ),
    _entry("describe", "Have models describe every video of a benchmark."),
    _entry("judge", "Have a language model score descriptions of videos, 0 to 10."),
    _entry("verify", "Check that sharing a video's prefill does not change what a model answers."),
    _entry("merge", "Merge the parts of a sharded run into one run folder."),
    _entry("import", "Turn the results of another harness into a run folder.", module="import_"),
    _entry("compare", "Compare runs with the first one, question by question."),
    _entry("published", "Show published scores, curves and checkpoints, each with its source."),
    _entry(
        "figures",
        "Draw figures of runs for one column or the full width of a paper, readable in grey.",
    ),
    _entry(
        "scaling-curve",
        "Run the checkpoints of a series that have not been run, and draw score against data.",
    ),
    _entry(
        "report",
        "Make a self-contained page of tables, figures and all questions with their replies.",
    ),
    _entry(
        "demo",
        "Build rooms, train a tiny ViCA2 on them, test all twenty checkpoints, draw the curve.",
    ),
    _entry(
        "doctor",
        "Check what works on this machine, and show the command that fixes what does not.",
    ),
    _entry(
        "train",
        "Train a model by a published recipe, or plan its cost with --dry-run.",
    ),
    _entry("data", "Fetch, build and list benchmarks and training data."),
    _entry("models", "List, fetch, inspect and create checkpoints."),
)
"""All commands, in the order of `--help`."""


class Loaded(Mapping[str, Any]):
    """A mapping from names to commands, which imports a command when it is looked up."""

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
    """The group of all commands, which lists them without imports and imports only the one run."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Loaded()  # type: ignore[assignment]  # read-only, as no command is added

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  (click's signature)
        """List the names of all commands, as in click."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  (click's signature)
        """Get a stub with the command's name and first line of help, as in click."""
        return next((entry.stub for entry in ENTRIES if entry.name == cmd_name), None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command to run, as in click."""
        name, stub, rest = super().resolve_command(ctx, args)
        return name, self.commands[str(name)] if stub else None, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command, as in click; exit with code 130 on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None  # the command has reported what is kept
