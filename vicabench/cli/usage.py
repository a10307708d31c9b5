"""The help of a command: its options in panels, experts' options only under `--help-all`."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args

import typer
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from vicabench.screen import console, echo

ASKED, MODEL, VIDEO = "What to ask", "Model", "Video"
SPEED, WHERE, API = "Speed and memory", "Where to run", "API"
OUTPUT, HELP = "Output", "Help"
ORDER = ("Arguments", "Options", ASKED, MODEL, VIDEO, SPEED, WHERE, API, OUTPUT, HELP)
WIDEST = 110
"""Columns beyond which lines of help are hard to read."""
NO_TERMINAL = 80
UNBROKEN = "\u2800"
"""Stands for a space at which no line is broken; the real one counts as unprintable."""
METAVARS = {int: "N", float: "NUMBER", Path: "PATH"}


def show_all(ctx: typer.Context, wanted: bool) -> None:
    """The callback of `--help-all`."""
    if wanted and not ctx.resilient_parsing:
        reveal(ctx.command)
        echo(ctx.get_help())
        raise typer.Exit


def _help_all() -> Any:
    app = typer.Typer(add_completion=False)

    @app.command()
    def holder(
        help_all: Annotated[
            bool,
            typer.Option(
                "--help-all",
                is_eager=True,
                expose_value=False,
                callback=show_all,
                help="Show all options, also those for experts.",
                rich_help_panel=HELP,
            ),
        ] = False,
    ) -> None:
        """Hold the option that is added to commands with hidden ones."""

    return typer.main.get_command(app).params[0]


HELP_ALL = _help_all()


def reveal(command: Any) -> None:
    """Show the options for experts in the help of a command from now on."""
    for parameter in command.params:
        parameter.hidden = False


def help_text(command: Any, ctx: Any) -> str:
    """The help of a command or a group of commands, as wide as the terminal."""
    screen = console()
    screen.width = min(_width(screen), WIDEST)
    parts: list[RenderableType] = [Text(command.get_usage(ctx), style="bold"), Text()]
    for paragraph in (command.help or "").split("\n\n"):
        parts += [Text(" ".join(paragraph.split())), Text()]
    parts += _panels(command, ctx)
    if HELP_ALL in command.params and any(p.hidden for p in command.params):
        parts.append(Text(f"More options, for experts: {ctx.command_path} --help-all", style="dim"))
    with screen.capture() as page:
        screen.print(Group(*parts))
    text = page.get().replace(UNBROKEN, " ")
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _width(screen: Any) -> int:
    return screen.width if sys.stdout.isatty() or "COLUMNS" in os.environ else NO_TERMINAL


def _panels(command: Any, ctx: Any) -> Iterator[RenderableType]:
    shown = [p for p in command.get_params(ctx) if not getattr(p, "hidden", False)]
    panels: dict[str, list[tuple[Text, Text]]] = {}
    for parameter in shown:
        panels.setdefault(_panel_of(parameter, shown), []).append(
            (_names(parameter), _described(parameter, ctx))
        )
    for name in command.list_commands(ctx) if hasattr(command, "list_commands") else ():
        inner = command.get_command(ctx, name)
        first = Text((inner.help or "").partition("\n")[0])
        panels.setdefault("Commands", []).append((Text(name, style="bold cyan"), first))
    width = max((names.cell_len for rows in panels.values() for names, _ in rows), default=0)
    for title in sorted(panels, key=lambda title: ORDER.index(title) if title in ORDER else 2):
        yield _panel(title, panels[title], width)


def _panel_of(parameter: Any, shown: Sequence[Any]) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    given = getattr(parameter, "rich_help_panel", None)
    grouped = any(getattr(p, "rich_help_panel", None) not in (None, HELP) for p in shown)
    return given if given and (given != HELP or grouped) else "Options"


def _panel(title: str, rows: Sequence[tuple[Text, Text]], width: int) -> Panel:
    table = Table(box=None, show_header=False, expand=True, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(width=width, no_wrap=True)
    table.add_column(ratio=1)
    for row in rows:
        table.add_row(*row)
    return Panel(table, title=title, title_align="left", border_style="dim")


def _names(parameter: Any) -> Text:
    """`-m, --model SPEC`; long names stand below each other."""
    if parameter.param_type_name == "argument":
        return Text(_metavar(parameter), style="bold cyan")
    short = [name for name in parameter.opts if not name.startswith("--")]
    long = [name for name in parameter.opts if name.startswith("--")]
    text = Text(", ".join([*short, *long]) if short else "    " + ", ".join(long), "bold cyan")
    return text if is_flag(parameter) else text.append(f" {_metavar(parameter)}", style="yellow")


def is_flag(parameter: Any) -> bool:
    """Whether an option takes no value."""
    return bool(getattr(parameter, "is_flag", False) or getattr(parameter, "count", False))


def _metavar(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    return str(parameter.name).upper() + ("" if parameter.nargs == 1 else "...")


def name_values(command: Any) -> None:
    """Name the values of options for help, where the options do not."""
    for option in command.params:
        if option.param_type_name == "option" and not is_flag(option) and option.metavar is None:
            option.metavar = METAVARS.get(value_type(command, option.name), "TEXT")


def value_type(command: Any, name: str) -> Any:
    """The type of the values of an option, such as `int`; `str` for options that the parser adds.

    Of `int | None` and `list[int]` it is `int`.
    """
    parameters = inspect.signature(command.callback, eval_str=True).parameters
    kind = parameters[name].annotation if name in parameters else str
    while arguments := get_args(kind):
        kind = next(one for one in arguments if one is not NoneType)
    return kind


def _described(parameter: Any, ctx: Any) -> Text:
    text = Text(parameter.help or "")
    default = _default(parameter, ctx)
    if default:
        text.append(f" [default:{UNBROKEN}{default.replace(' ', UNBROKEN)}]", style="dim")
    if parameter.required and parameter.param_type_name == "option":
        text.append(" [required]", style="red")
    return text


def _default(parameter: Any, ctx: Any) -> str:
    shown = getattr(parameter, "show_default", False)
    if isinstance(shown, str):
        return shown
    value = parameter.get_default(ctx, call=False)
    if not shown or is_flag(parameter) or value is None or value in ("", ()) or callable(value):
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
