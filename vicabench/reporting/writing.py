"""Files that a user asked for: in which formats, and never over what was to be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vicabench import files
from vicabench.errors import ConfigError
from vicabench.results.store import CONFIG, PREDICTIONS

FIGURES = ("pdf", "svg", "png")


def figure_formats(names: str | Sequence[str]) -> tuple[str, ...]:
    """The formats of figures in a list, which may be one text with commas between.

    ConfigError naming the formats there are if one is unknown.
    """
    listed = names.split(",") if isinstance(names, str) else names
    found = tuple(dict.fromkeys(name.strip() for name in listed))
    if unknown := [name for name in found if name not in FIGURES]:
        raise ConfigError(
            f"There is no figure format '{', '.join(unknown)}'. Formats are {', '.join(FIGURES)}."
        )
    return found


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
