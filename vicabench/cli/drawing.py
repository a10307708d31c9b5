"""What `vicabench figures` does once its options are parsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from matplotlib.figure import Figure

from vicabench import plot
from vicabench.cli.output import check_published
from vicabench.cli.running import say
from vicabench.comparing import differing
from vicabench.errors import ConfigError, DataError
from vicabench.harnesses.protocols import find_protocol
from vicabench.reporting.figures.output import save
from vicabench.results.run import Run, load_runs
from vicabench.scoring.alike import check_alike, restricted_to_shared
from vicabench.screen import console

AVERAGES = "averages"
SHARED = "Type the same command with --shared to draw what all of them were asked."


@dataclass(frozen=True, kw_only=True)
class FigureRequest:
    """The options of one `vicabench figures`; no `kinds` means all that are possible."""

    paths: tuple[Path, ...]
    out: Path
    kinds: tuple[str, ...] | None
    formats: tuple[str, ...]
    protocol: str
    published: bool
    shared: bool


def draw_figures(request: FigureRequest) -> None:
    """Draw and save every figure asked for.

    ConfigError for an unknown kind or format; DataError if a kind that was named is impossible
    with these runs, or all are. Without names, what is impossible is left out, and said.
    """
    _check(request)
    find_protocol(request.protocol)  # a misspelt one is told before anything is read
    terminal, runs = console(stderr=True), _runs(request)
    for note in dict.fromkeys(note for run in runs[1:] for note in differing(runs[0], run)):
        say(terminal, note)
    written = []
    for name in request.kinds or KINDS:
        try:
            rows = {"published": request.published} if name == AVERAGES else {}
            figure = cast("Figure", KINDS[name](runs, protocol=request.protocol, **rows))
        except DataError as error:
            if request.kinds:
                raise
            say(terminal, f"No figure of {name}: {error}")
            continue
        written += [save(figure, request.out / f"{name}.{kind}") for kind in request.formats]
    if not written:
        raise DataError("There is nothing to draw in these runs.")
    say(terminal, "Wrote " + ", ".join(str(file) for file in written))


def _check(request: FigureRequest) -> None:
    unknown = [name for name in request.kinds or () if name not in KINDS]
    if unknown:
        raise ConfigError(
            f"There is no figure '{', '.join(unknown)}'. Figures are {', '.join(KINDS)}."
        )
    if request.published and request.kinds and AVERAGES not in request.kinds:
        raise ConfigError(
            f"--published adds rows to the figure {AVERAGES} alone: name that in --kind, too, or "
            "leave out --published."
        )


def _runs(request: FigureRequest) -> list[Run]:
    """The runs, on the same questions; ConfigError for runs that cannot stand side by side."""
    runs = load_runs(request.paths)
    if request.shared:
        runs = restricted_to_shared(runs)
    check_alike(runs, advice=SHARED)
    for run in runs:
        check_published(request.published, run.benchmark, run.questions)
    return runs


KINDS: Mapping[str, Callable[..., plot.Drawn]] = {
    AVERAGES: plot.averages,
    "tasks": plot.tasks,
    "radar": plot.radar,
    "errors": plot.errors,
    "letters": plot.letters,
    "datasets": plot.datasets,
    "rooms": plot.rooms,
    "differences": plot.differences,
}
