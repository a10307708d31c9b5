"""Output of commands: tables to standard output, everything else to standard error; Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer

from vicabench.errors import ConfigError, did_you_mean
from vicabench.reference import Published
from vicabench.reporting.disagreement import show_disagreement
from vicabench.reporting.scores import FORMATS, show
from vicabench.reporting.tables import SHEET_FORMATS, Sheets, show_sheets
from vicabench.results.disagreement import Disagreement
from vicabench.screen import console, echo
from vicabench.types import Scores

TERMINAL = "terminal"
KEPT = "What was done is kept. Repeat the same command to continue."


def check_format(name: str) -> None:
    """Raise ConfigError for an unknown table format."""
    if name != TERMINAL and name not in FORMATS:
        known = [TERMINAL, *FORMATS]
        raise ConfigError(
            f"There is no table format '{name}'. Formats are {', '.join(known)}."
            f"{did_you_mean(name, known)}"
        )


def print_table(
    rows: Sequence[Scores],
    *,
    name: str,
    published: Sequence[Published] = (),
    between: Sequence[Disagreement] = (),
) -> None:
    """Print the table in this format, with published rows below the runs.

    `between` has, for several protocols, their differences in each run.
    """
    if name == TERMINAL:
        show(console(), rows, published)
        for difference in between:
            show_disagreement(console(), difference)
    else:
        echo(FORMATS[name](rows, published, between))


def print_sheets(
    sheets: Sheets, *, name: str, csv: Callable[[], str], json: Callable[[], str]
) -> None:
    """Print tables of other things than scores in this format."""
    if name == TERMINAL:
        show_sheets(console(), sheets)
    elif name in SHEET_FORMATS:
        echo(SHEET_FORMATS[name](sheets))
    else:
        echo((json if name == "json" else csv)().rstrip("\n"))


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Exit with code 130 and one line of advice on Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        echo(f"vicabench: interrupted. {advice}", err=True)
        raise typer.Exit(130) from None
