"""What commands print: tables to standard output, everything else to standard error."""

from __future__ import annotations

from collections.abc import Sequence

from vicabench.errors import ConfigError
from vicabench.reference import Published, published_rows
from vicabench.reporting.disagreement import show_disagreement
from vicabench.reporting.scores import FORMATS, show
from vicabench.results.disagreement import Disagreement
from vicabench.screen import console, echo
from vicabench.types import Scores

TERMINAL = "terminal"


def check_format(name: str) -> None:
    """ConfigError naming the formats if this is none: asked before anything is run."""
    if name != TERMINAL and name not in FORMATS:
        known = ", ".join([TERMINAL, *FORMATS])
        raise ConfigError(f"There is no table format '{name}'. Formats are {known}.")


def print_table(
    rows: Sequence[Scores],
    *,
    name: str,
    published: bool,
    between: Sequence[Disagreement] = (),
) -> None:
    """Print the table in the format of this name, published rows under the runs if asked for.

    `between` tells, where there are several protocols, how they differ in each run.
    """
    others: Sequence[Published] = published_rows() if published else ()
    if name == TERMINAL:
        show(console(), rows, others)
        for found in between:
            show_disagreement(console(), found)
    else:
        echo(FORMATS[name](rows, others, between))
