"""Print text without the control characters that a terminal would obey.

All output passes through this module. Names of files and models, replies and errors come from
anywhere. Control characters in them would move the cursor, set the title or hide lines, so they
are shown as `?`.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text
from typer.core import TyperGroup

from vicabench.errors import printable

PIPE_WIDTH = 160  # columns without a terminal, wide enough for every table


def echo(text: str, *, err: bool = False) -> None:
    """Print a text and a newline to standard output or standard error."""
    typer.echo(printable(text), err=err)


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console for standard output or standard error."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Screen(stderr=stderr, quiet=quiet, width=width, highlight=False, soft_wrap=False)


def say(text: str) -> None:
    """Print a line that is not a result: dim, on standard error."""
    console(stderr=True).print(Text(text, style="dim"), soft_wrap=True)


def saying(shown: bool) -> Callable[[str], None]:
    """`say`, or a function that prints nothing."""
    return say if shown else lambda _: None


def as_text(show: Callable[[Console], None]) -> str:
    """The output of `show` as plain text."""
    page = Screen(file=io.StringIO(), width=PIPE_WIDTH, highlight=False, color_system=None)
    with page.capture() as text:
        show(page)
    return text.get()


def print_trimmed(screen: Console, renderable: RenderableType) -> None:
    """Print something to standard output without the spaces at the ends of its lines."""
    with screen.capture() as page:
        screen.print(renderable)
    # What was captured is printable but for the console's own styles.
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in page.get().splitlines())


class Screen(Console):
    """A console that prints no escape sequences except those that it generates itself.

    In a notebook it prints text, as to a log: rich's own output there needs ipywidgets.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, force_jupyter=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of a renderable, with their texts made printable."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


class Commands(TyperGroup):
    """A command group whose messages about bad arguments are printable, too."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """As in click."""
        with _printable_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """As in click."""
        with _printable_errors():
            return super().invoke(ctx)


@contextmanager
def _printable_errors() -> Iterator[None]:
    """Make the message of a click error printable and raise it further."""
    try:
        yield
    except Exception as error:
        if isinstance(message := getattr(error, "message", None), str):
            error.message = printable(message)  # type: ignore[attr-defined]  # click's own
        raise


class Record(logging.LogRecord):
    """A log record of any library, made printable."""

    def getMessage(self) -> str:  # noqa: N802  (logging's name)
        """As in logging."""
        return printable(super().getMessage())


def clean_libraries() -> None:
    """Make the log records and warnings of all libraries printable from now on."""
    logging.setLogRecordFactory(Record)
    inner = warnings.formatwarning

    def formatted(*arguments: Any, **options: Any) -> str:
        return printable(inner(*arguments, **options))

    warnings.formatwarning = formatted
