"""What `vicabench figures` does once its options are parsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from vicabench.alike import check_alike, on_shared
from vicabench.cli.comparing import differing
from vicabench.cli.output import check_published
from vicabench.cli.running import say
from vicabench.cli.screen import console
from vicabench.errors import ConfigError, DataError
from vicabench.grading.protocols import Protocol, find_protocol
from vicabench.paired import compare_runs
from vicabench.reference import published_rows
from vicabench.reporting import figures
from vicabench.reporting.figures.output import save
from vicabench.results import Run, load_runs

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
    protocol, terminal = find_protocol(request.protocol), console(stderr=True)
    runs = _runs(request)
    for note in dict.fromkeys(note for run in runs[1:] for note in differing(runs[0], run)):
        say(terminal, note)
    written = []
    for name in request.kinds or KINDS:
        try:
            figure = KINDS[name](runs, protocol, request.published)
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
        runs = on_shared(runs)
    check_alike(runs, advice=SHARED)
    for run in runs:
        check_published(request.published, run.benchmark, run.questions)
    return runs


def _averages(runs: Sequence[Run], protocol: Protocol, published: bool) -> Figure:
    scores = [run.scores(protocol) for run in runs]
    missing = dict.fromkeys(task for row in scores for task in row.missing)
    if published and missing:
        raise DataError(
            f"The runs have no questions of {', '.join(missing)}: their averages are not of the "
            "tasks that published ones are. Leave out --published."
        )
    return figures.averages(scores, published_rows() if published else ())


def _tasks(runs: Sequence[Run], protocol: Protocol, _published: bool) -> Figure:
    return figures.tasks([run.scores(protocol) for run in runs])


def _radar(runs: Sequence[Run], protocol: Protocol, _published: bool) -> Figure:
    return figures.radar([run.scores(protocol) for run in runs])


def _differences(runs: Sequence[Run], protocol: Protocol, _published: bool) -> Figure:
    if len(runs) < 2:
        raise DataError("Differences need two runs or more.")
    first, *others = runs
    return figures.differences(
        [
            compare_runs(
                first.grades(protocol),
                other.grades(protocol),
                model_a=first.name,
                model_b=other.name,
            )
            for other in others
        ]
    )


KINDS: Mapping[str, Callable[[Sequence[Run], Protocol, bool], Figure]] = {
    AVERAGES: _averages,
    "tasks": _tasks,
    "radar": _radar,
    "errors": lambda runs, protocol, _: figures.errors(runs, protocol),
    "letters": lambda runs, protocol, _: figures.letters(runs, protocol),
    "datasets": lambda runs, protocol, _: figures.by_dataset(runs, protocol),
    "rooms": lambda runs, protocol, _: figures.by_room_size(runs, protocol),
    "differences": _differences,
}
