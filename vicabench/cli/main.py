"""The command `vicabench`; its subcommands are listed in `commands.py`.

Exit codes: 0 success; 1 the run ended and some questions have no answer; 2 an error that the user
can fix, explained in one paragraph; 70 a defect of vicabench; 130 interrupted.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import typer

from vicabench import __version__, ending
from vicabench.cli.commands import LazyCommands
from vicabench.errors import UserError
from vicabench.screen import clean_libraries, echo

NO_THREAD = (
    "The system does not let this user start more threads. End other programs or raise the limit "
    "(ulimit -u), and repeat the same command: what was done is kept."
)
INPUT, OUTPUT, ERRORS = 0, 1, 2
"""Descriptors of the standard streams, which may be closed, hung up, or no longer read."""

app = typer.Typer(
    name="vicabench",
    cls=LazyCommands,
    help="Measure how well video language models understand space.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"vicabench {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Measure how well video language models understand space."""


def main() -> None:
    """Run the command line; errors that the user can fix are one paragraph, without traceback."""
    _secure_streams()
    ending.install()
    # Python processes started from here on must not import modules from the current folder.
    os.environ["PYTHONSAFEPATH"] = "1"
    if not os.environ.get("COLUMNS", "1").strip("0"):
        del os.environ["COLUMNS"]  # rich takes 0 literally instead of as an unknown width
    # Tracebacks of failing adapters go to the run folder's log only; the answer has the error.
    logging.getLogger("vicabench").addHandler(logging.NullHandler())
    clean_libraries()
    try:
        try:
            app(prog_name="vicabench")  # also as `python -m vicabench`
        finally:
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be reported
    except UserError as error:
        _end(2, str(error))
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        _abandon(OUTPUT)
        sys.exit(141)
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        _end(2, f"{place}{error.strerror or error}.")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if "can't start new thread" in str(error):
            _end(2, NO_THREAD)
        echo(traceback.format_exc(), err=True)
        _end(70, "This is a defect of vicabench. What was answered is kept; please report it.")


def _end(code: int, message: str) -> NoReturn:
    echo(f"vicabench: {message}", err=True)
    sys.exit(code)


def _secure_streams() -> None:
    """Make all three standard streams usable, however this process was started.

    Closed streams are opened on the null device, so that no file of a run gets their descriptor.
    Failed writes to standard error are ignored. Characters that cannot be encoded are replaced.
    """
    for number in (INPUT, OUTPUT, ERRORS):
        _fill(number)
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open(encoding="utf-8")
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    encoding = sys.stderr.encoding if sys.stderr else "utf-8"
    if sys.stderr:
        with suppress(OSError):
            sys.stderr.flush()
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Lossy(ERRORS, "w", closefd=False)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
        write_through=True,
    )


def _abandon(number: int) -> None:
    """Redirect a stream to the null device from now on."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, number)
    os.close(nowhere)


class _Lossy(io.FileIO):
    """A stream whose writes never fail: what cannot be written is dropped."""

    def write(self, data: object, /) -> int:
        """Write the bytes if possible; always returns their number."""
        size = len(memoryview(data))  # type: ignore[arg-type]  # a buffer
        try:
            return super().write(data) or size  # type: ignore[arg-type]
        except OSError:
            _abandon(self.fileno())
            return size


def _fill(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
