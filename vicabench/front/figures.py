"""Saved figures of runs: `vicabench figures`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont

from vicabench.errors import ConfigError, DataError
from vicabench.front import plot
from vicabench.front.compare import differing, runs_of
from vicabench.harnesses.protocols import find_protocol
from vicabench.reporting.figures.added import added_figures
from vicabench.reporting.figures.output import save
from vicabench.reporting.figures.style import COLUMN, PAGE, Paper, on_paper
from vicabench.reporting.files import FIGURES, figure_formats
from vicabench.results.alike import check_alike, check_published, restricted_to_shared
from vicabench.results.run import Run
from vicabench.screen import saying

AVERAGES = "averages"
SHARED = "Add --shared to draw only the questions that all runs were asked."


def figures(
    runs: Sequence[Run | str | Path],
    *,
    out: str | Path = "figures",
    kinds: str | Sequence[str] | None = None,
    formats: str | Sequence[str] = FIGURES,
    protocol: str = "official",
    published: bool = False,
    shared: bool = False,
    width: str | float | None = None,
    font: str | None = None,
    font_size: float | None = None,
    notes: bool = True,
    progress: bool = True,
) -> list[Path]:
    """Draw and save figures of runs, and return the files.

    Args:
        runs: Runs, or paths of run folders or predictions files.
        out: Folder for the figures.
        kinds: Names of `vicabench.front.figures.KINDS`; None draws all that these runs allow.
        formats: `pdf`, `svg`, `png`.
        protocol: The grading protocol.
        published: Whether to add published rows to the averages.
        shared: Whether to draw only the questions that all runs were asked.
        width: `column` (3.3 inches), `text` (7 inches) or inches; None: the figure's own.
        font: A font of this machine, or `serif`, `sans-serif` or `monospace`.
        font_size: The size of the larger texts, in points (default: 7).
        notes: Whether the figures state n, videos, protocol and intervals below them.
        progress: Whether to report skipped figures and differences on standard error.

    Raises:
        ConfigError, DataError: For an unknown kind or format, or what these runs do not allow.
    """
    say, folder, endings = saying(progress), Path(out), figure_formats(formats)
    chosen = [kinds] if isinstance(kinds, str) else kinds
    _check(chosen, published)
    paper = Paper(width=_inches(width), font=_font(font), size=font_size, notes=notes)
    find_protocol(protocol)  # refuse a misspelt name before reading any run
    loaded = _loaded(runs, published=published, shared=shared, say=say)
    written = []
    with on_paper(paper):
        for name in chosen or KINDS:
            try:
                rows = {"published": published} if name == AVERAGES else {}
                figure = cast("Figure", KINDS[name](loaded, protocol=protocol, **rows))
                written += [save(figure, folder / f"{name}.{ending}") for ending in endings]
            except DataError as error:
                if chosen:
                    raise
                say(f"No figure of {name}: {error}")
    if not written:
        raise DataError("No figure can be drawn from these runs.")
    return written


WIDTHS = {"column": COLUMN, "text": PAGE}
NARROWEST, WIDEST = 2.0, 20.0


def _inches(width: str | float | None) -> float | None:
    """A width in inches; ConfigError for one that is neither a name nor a fitting number."""
    if width is None or width in WIDTHS:
        return WIDTHS.get(str(width))
    try:
        inches = float(width)
    except ValueError:
        inches = 0.0
    if not NARROWEST <= inches <= WIDEST:
        raise ConfigError(
            f"--width {width}: give column, text, or {NARROWEST:g} to {WIDEST:g} inches."
        )
    return inches


def _font(name: str | None) -> str | None:
    """The font; ConfigError if this machine does not have it."""
    try:
        if name is not None:
            findfont(FontProperties(family=name), fallback_to_default=False)
    except ValueError:
        raise ConfigError(
            f"There is no font {name!r} on this machine. Install it, or use serif, sans-serif or "
            "monospace."
        ) from None
    return name


def _check(kinds: Sequence[str] | None, published: bool) -> None:
    unknown = [name for name in kinds or () if name not in KINDS]
    if unknown:
        raise ConfigError(f"Unknown figure '{', '.join(unknown)}'. Figures are {', '.join(KINDS)}.")
    if published and kinds and AVERAGES not in kinds:
        raise ConfigError(
            f"--published only adds rows to the figure {AVERAGES}: add it to --kind, or leave out "
            "--published."
        )


def _loaded(
    runs: Sequence[Run | str | Path], *, published: bool, shared: bool, say: Callable[[str], None]
) -> list[Run]:
    """Load the runs and say how they differ; ConfigError for runs that cannot be compared."""
    loaded = runs_of(runs)
    if shared:
        loaded = restricted_to_shared(loaded)
    check_alike(loaded, advice=SHARED)
    for run in loaded:
        check_published(published, run.benchmark, run.questions)
    for note in dict.fromkeys(note for run in loaded[1:] for note in differing(loaded[0], run)):
        say(note)
    return loaded


KINDS: Mapping[str, Callable[..., plot.Drawn]] = {
    AVERAGES: plot.averages,
    "tasks": plot.tasks,
    "radar": plot.radar,
    "errors": plot.errors,
    "letters": plot.letters,
    "datasets": plot.datasets,
    "rooms": plot.rooms,
    "differences": plot.differences,
    **{name: getattr(plot, name) for name in added_figures()},
}
