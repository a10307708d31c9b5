"""The page of all commands and options, generated from the command line's definition."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import typer

from vicabench.cli.main import app
from vicabench.cli.usage import reveal

INTRODUCTION = """# Commands

The `--help` text of every command.

"""


def reference() -> str:
    """Return the page in Markdown."""
    return INTRODUCTION + "".join(_commands(typer.main.get_command(app), "vicabench", None))


def _commands(command: Any, name: str, parent: typer.Context | None) -> Iterator[str]:
    context = typer.Context(command, info_name=name, parent=parent)
    within = getattr(command, "commands", None)
    if within is None:
        yield _section(command, context)
        return
    for part, child in within.items():
        yield from _commands(child, part, context)


def _section(command: Any, context: typer.Context) -> str:
    """A command's help, and a row for each of its arguments and options."""
    reveal(command)
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = "".join(
        f"| {' '.join(_code(name) for name in record[0].split(', '))} | {_cell(record[1])} |\n"
        for record in records
        if record
    )
    table = f"| | |\n| --- | --- |\n{rows}\n" if rows else ""
    return f"## {context.command_path}\n\n{html.escape(command.help or '')}\n\n{table}"


def _code(text: str) -> str:
    return f"`{text.strip()}`".replace("|", r"\|")


def _cell(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=False).replace("|", r"\|")
