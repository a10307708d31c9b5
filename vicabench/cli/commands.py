"""The commands by name. A command's module is imported when it is run or its help is asked for."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from vicabench.cli.command import Command, CommandGroup


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
        return Command(self.name, help=self.help)

    @cache  # noqa: B019  (the few entries of the table live as long as the process)
    def load(self) -> Any:
        """The command with its options."""
        module = import_module(f"vicabench.cli.{self.module}")
        app = getattr(module, "app", None)
        if app is None:
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            app.command(self.name, cls=Command)(module.command)
        command = typer.main.get_command(app)
        command.name = self.name
        return command


ORDER = (
    *(
        "run",
        "runs",
        "score",
        "ask",
        "canonicalize",
        "describe",
        "maps",
        "judge",
        "verify",
        "merge",
    ),
    "import",
    *(
        "compare",
        "explain",
        "rank",
        "power",
        "audit",
        "published",
        "figures",
        "scaling-curve",
        "report",
        "leaderboard",
        "publish",
        "demo",
        "doctor",
        "train",
    ),
    *("init", "data", "models"),
)
"""How `--help` lists the commands; others follow, by name."""


def entries() -> tuple[Entry, ...]:
    """All commands, in the order in which `--help` lists them."""
    found = (entry_of(path.stem) for path in Path(__file__).parent.glob("*.py"))
    return tuple(sorted((entry for entry in found if entry), key=_place))


def entry_of(name: str) -> Entry | None:
    """The command of this name: a file here with a function `command`, or the `app` of several."""
    module = name.replace("-", "_")
    if not module.isidentifier() or module == "main":
        return None
    for path in (Path(__file__).parent / f"{module}{end}.py" for end in ("", "_")):
        text = _help(path) if path.exists() else None
        if text is not None:
            return Entry(name=name.strip("_").replace("_", "-"), help=text, module=path.stem)
    return None


def _help(path: Path) -> str | None:
    """The first line of the help of a file's command, read without importing the file."""
    for node in ast.parse(path.read_bytes()).body:
        match node:
            case ast.FunctionDef(name="command"):
                return (ast.get_docstring(node) or "").partition("\n")[0]
            case ast.Assign(targets=[ast.Name(id="app")], value=ast.Call(keywords=keywords)):
                return str(next(ast.literal_eval(k.value) for k in keywords if k.arg == "help"))
    return None


def _place(entry: Entry) -> tuple[int, str]:
    return ORDER.index(entry.name) if entry.name in ORDER else len(ORDER), entry.name


class Loaded(Mapping[str, Any]):
    """The commands with their options by name; one is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        entry = entry_of(name)
        if entry is None or entry.name != name:
            raise KeyError(name)
        return entry.load()

    def __iter__(self) -> Iterator[str]:
        return (entry.name for entry in entries())

    def __len__(self) -> int:
        return len(entries())


class LazyCommands(CommandGroup):
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
        entry = entry_of(cmd_name)
        return entry.stub if entry and entry.name == cmd_name else None

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
