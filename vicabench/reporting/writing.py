"""Output files: figure formats, and writing without replacing inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vicabench import files
from vicabench.errors import ConfigError
from vicabench.results.store import CONFIG, PREDICTIONS

FIGURES = ("pdf", "svg", "png")


def figure_formats(names: str | Sequence[str]) -> tuple[str, ...]:
    """Parse figure formats, given as a list or a comma-separated text.

    ConfigError naming the formats there are if one is unknown.
    """
    listed = names.split(",") if isinstance(names, str) else names
    formats = tuple(dict.fromkeys(name.strip() for name in listed))
    if unknown := [name for name in formats if name not in FIGURES]:
        raise ConfigError(
            f"There is no figure format '{', '.join(unknown)}'. Formats are {', '.join(FIGURES)}."
        )
    return formats


def write_file(path: Path, text: str | bytes, *, keep: Sequence[Path] = ()) -> None:
    """Write an output file, but never over one of `keep`.

    ConfigError saying why if that is impossible.
    """
    check_not_input(path, keep)
    try:
        files.output(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None


def made_folder(path: str | Path) -> Path:
    """Create a folder for output files if needed; ConfigError if that is impossible."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be created: {error.strerror}.") from None
    return folder


def check_not_input(path: Path, keep: Sequence[Path]) -> None:
    """Raise ConfigError if this file is one of `keep`, or a file of a run folder among them."""
    folders = [outer.parent if outer.name == PREDICTIONS else outer for outer in keep]
    inside = [folder / name for folder in folders for name in (PREDICTIONS, CONFIG)]
    if any(path.exists() and each.exists() and path.samefile(each) for each in (*keep, *inside)):
        raise ConfigError(f"{path} is an input and is not overwritten. Name another file.")
