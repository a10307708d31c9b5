"""The command `vicabench`: every command is a thin module that imports what it runs when it runs.

Exit codes: 0 all well; 1 the run ended and some questions have no answer; 2 something the user
can put right, said in one paragraph; 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

from vicabench import __version__
from vicabench.cli import data, run, score
from vicabench.errors import UserError

app = typer.Typer(
    name="vicabench",
    help="Measure how well video language models understand space.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.command)
app.command("score")(score.command)
app.add_typer(data.app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vicabench {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Measure how well video language models understand space."""


def main() -> None:
    """Run the command line; what the user can put right is one paragraph, never a traceback."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except UserError as error:
        print(f"vicabench: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    """A cluster's SIGTERM stops a run as cleanly as Ctrl-C does."""
    raise KeyboardInterrupt
