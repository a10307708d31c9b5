"""How every command is parsed: short names, help, defaults from elsewhere, suggestions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperCommand

from vicabench.cli.defaults import from_environment, origin_note
from vicabench.cli.usage import HELP, HELP_ALL, help_text, name_values, reveal
from vicabench.errors import UserError, did_you_mean
from vicabench.screen import Commands

SHORT = {"--model": "-m", "--benchmark": "-b", "--out": "-o"}
"""Short names, in every command that has these options."""


class Command(TyperCommand):
    """A command whose help has panels, and whose defaults may come from the environment."""

    def __init__(self, name: str | None, **attributes: Any) -> None:
        super().__init__(name, **attributes)
        for parameter in self.params:
            parameter.opts += [SHORT[long] for long in parameter.opts if long in SHORT]
        name_values(self)
        if any(getattr(parameter, "hidden", False) for parameter in self.params):
            self.params.append(HELP_ALL)

    def get_help_option(self, ctx: Any) -> Any:
        """As in click, in the last panel."""
        return _in_panel(super().get_help_option(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """As in click."""
        formatter.write(help_text(self, ctx))

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """As in click, with the options for experts."""
        reveal(self)
        return super().shell_complete(ctx, incomplete)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in click."""
        if not ctx.resilient_parsing:
            ctx.default_map = from_environment(self, ctx)
        with _suggesting(self, ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """As in click; errors about values that were not typed say where they come from."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            if note := origin_note(ctx, str(error)):
                error.args = (f"{error} {note}",)
            raise


class CommandGroup(Commands):
    """A group of commands, with the same help."""

    def get_help_option(self, ctx: Any) -> Any:
        """As in click."""
        return _in_panel(super().get_help_option(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """As in click."""
        formatter.write(help_text(self, ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As in click; a misspelt command is refused with a similar one."""
        if not ctx.resilient_parsing and args and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            if args[0] not in known:
                ctx.fail(f"No such command '{args[0]}'.{did_you_mean(args[0], known)}")
        return super().resolve_command(ctx, args)


def _in_panel(option: Any) -> Any:
    if option is not None:
        option.rich_help_panel = HELP
    return option


@contextmanager
def _suggesting(command: Command, ctx: Any) -> Iterator[None]:
    """Add a similar option, or where the value comes from, to the message of a click error."""
    try:
        yield
    except Exception as error:
        if not isinstance(message := getattr(error, "message", None), str):
            raise
        if hasattr(error, "possibilities"):
            known = [name for p in command.params for name in p.opts if name.startswith("--")]
            typed = getattr(error, "option_name", "")
            error.possibilities = None
            error.message = f"No such option: {typed}.{did_you_mean(typed, known)}"  # type: ignore[attr-defined]
        elif note := origin_note(ctx, "--" + "/--".join(_names_of(error))):
            error.message = f"{message.rstrip('.')}. {note}"  # type: ignore[attr-defined]
        raise


def _names_of(error: Exception) -> list[str]:
    parameter = getattr(error, "param", None)
    return [] if parameter is None else [name.strip("-") for name in parameter.opts]
