"""What commands print: tables to standard output, everything else to standard error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from vicabench import files
from vicabench.errors import ConfigError
from vicabench.reference import Published, is_vsi_bench, published_rows
from vicabench.reporting.disagreement import show_disagreement
from vicabench.reporting.scores import FORMATS, show
from vicabench.results.disagreement import Disagreement
from vicabench.results.store import CONFIG, PREDICTIONS
from vicabench.screen import console, echo
from vicabench.types import Question, Scores

TERMINAL = "terminal"
FIGURES = ("pdf", "svg", "png")


def check_format(name: str) -> None:
    """ConfigError naming the formats if this is none: asked before anything is run."""
    if name != TERMINAL and name not in FORMATS:
        known = ", ".join([TERMINAL, *FORMATS])
        raise ConfigError(f"There is no table format '{name}'. Formats are {known}.")


def figure_formats(names: str) -> tuple[str, ...]:
    """The formats in a comma-separated list; ConfigError naming those there are if one is none."""
    found = tuple(dict.fromkeys(name.strip() for name in names.split(",")))
    if unknown := [name for name in found if name not in FIGURES]:
        raise ConfigError(
            f"There is no figure format '{', '.join(unknown)}'. Formats are {', '.join(FIGURES)}."
        )
    return found


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


def check_published(wanted: bool, benchmark: str | None, questions: Iterable[Question]) -> None:
    """ConfigError if published rows would stand beside runs of another benchmark.

    A file of VSI-Bench's own questions is known by them, whatever it is called.
    """
    if wanted and not is_vsi_bench(benchmark, questions):
        raise ConfigError(
            f"Published rows are about VSI-Bench; beside {benchmark} they would compare nothing. "
            "Leave out --published."
        )


def write_file(path: Path, text: str, *, keep: Sequence[Path] = ()) -> None:
    """Write a file the user asked for, but never over one of `keep`.

    ConfigError saying why if that is impossible.
    """
    check_not_input(path, keep)
    try:
        files.output(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None


def check_not_input(path: Path, keep: Sequence[Path]) -> None:
    """ConfigError if this file is one of `keep`, or a file of a run folder among them."""
    folders = [outer.parent if outer.name == PREDICTIONS else outer for outer in keep]
    inside = [folder / name for folder in folders for name in (PREDICTIONS, CONFIG)]
    if any(path.exists() and each.exists() and path.samefile(each) for each in (*keep, *inside)):
        raise ConfigError(f"{path} is what was to be read; it is not overwritten. Name another.")
