"""What `vicabench run` does once its options are parsed."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from vicabench.adapters import find_adapter
from vicabench.cli.decoding import VideoOptions
from vicabench.cli.loading import load
from vicabench.cli.output import check_format, check_published, console, print_table
from vicabench.cli.progress import RunDisplay
from vicabench.config import digest_of
from vicabench.datasets import Source
from vicabench.engine.loop import Decoding
from vicabench.engine.plan import select
from vicabench.engine.run import run
from vicabench.grading.protocols import find_protocol
from vicabench.predictions import read_predictions
from vicabench.results import load_run
from vicabench.store import PREDICTIONS
from vicabench.text import printable
from vicabench.types import Benchmark, ModelOptions, Question, Scores


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of one `vicabench run`."""

    models: tuple[str, ...]
    benchmark: str
    subset: str
    data: Path | None
    videos: Path | None
    limit: int | None
    tasks: tuple[str, ...]
    out: Path | None
    retry_errors: bool
    video: VideoOptions
    options: ModelOptions
    seed: int
    protocol: str
    table: str
    published: bool


def run_all(request: Request) -> None:
    """Run every model asked for, print one table, and exit with what the exit code has to say."""
    check_format(request.table)
    decoding = request.video.decoding()
    protocol = find_protocol(request.protocol)
    terminal = console(stderr=True)
    for model in request.models:
        find_adapter(model)  # a misspelt model is refused before the others are run
    benchmark = benchmark_of(request, terminal)
    check_published(request.published, benchmark.name)
    selected = select(benchmark, limit=request.limit, tasks=request.tasks)
    folders = run_folders(request, benchmark)
    for model, folder in folders.items():
        display = RunDisplay(terminal, model, selected, protocol)
        run_one(request, benchmark, selected, model, folder, decoding, display)
    rows = [load_run(folder).scores(protocol) for folder in folders.values()]
    print_table(rows, name=request.table, published=request.published)
    _say_where(folders.values(), rows, terminal)
    sys.exit(1 if any(row.overall.failed for row in rows) else 0)


def benchmark_of(request: Request, terminal: Console) -> Benchmark:
    """The benchmark that is asked for, built if need be; exits with 130 on Ctrl-C."""
    source = Source(
        subset=request.subset,
        data=request.data,
        videos=request.videos,
        videos_needed=not request.video.no_video,
    )
    return load(request.benchmark, source, terminal)


def run_folders(request: Request, benchmark: Benchmark) -> dict[str, Path]:
    """The run folder of each model: --out itself for one model, a folder in it for several."""
    models = dict.fromkeys(request.models)
    if request.out and len(models) == 1:
        return dict.fromkeys(models, request.out)
    return folders_within(request, benchmark)


def folders_within(request: Request, benchmark: Benchmark) -> dict[str, Path]:
    """A run folder for each model, in --out or else in the benchmark's folder of runs."""
    models = dict.fromkeys(request.models)
    parent = request.out or Path("runs") / _slug(benchmark.name)
    slugs = Counter(_slug(model).casefold() for model in models)
    end = "-blind" if request.options.blind else ""
    return {
        # Names that become alike are told apart by a digest of what was typed.
        model: parent / (slug + ("" if slugs[slug.casefold()] == 1 else f"-{_short(model)}") + end)
        for model in models
        for slug in [_slug(model)]
    }


def _short(model: str) -> str:
    return digest_of(model)[:8]


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.") or "run"


def run_one(
    request: Request,
    benchmark: Benchmark,
    selected: Sequence[Question],
    model: str,
    folder: Path,
    decoding: Decoding | None,
    display: RunDisplay,
) -> None:
    """Ask one model what its folder does not answer yet; exits with 130 on Ctrl-C.

    Raises the kinds of UserError that adapters and run folders raise.
    """
    with display:
        try:
            run(
                benchmark,
                selected,
                model=model,
                folder=folder,
                decoding=decoding,
                seed=request.seed,
                options=request.options,
                retry_errors=request.retry_errors,
                started=display.started,
                answered=display.answered,
                warned=display.warned,
                timed=display.timed,
            )
        except KeyboardInterrupt:
            display.close()
            file = folder / PREDICTIONS
            kept = len(read_predictions(file, torn_ok=True)) if file.exists() else 0
            display.say(
                f"Interrupted. The answers to {kept} of {len(selected)} questions are kept in "
                f"{folder}; the same command continues."
            )
            sys.exit(130)


def _say_where(folders: Iterable[Path], rows: Sequence[Scores], terminal: Console) -> None:
    say(terminal, "Answers: " + ", ".join(f"{folder}" for folder in folders))
    if any(row.overall.failed for row in rows):
        say(terminal, "Some questions have no answer (exit code 1); --retry-errors asks again.")


def say(terminal: Console, text: str) -> None:
    """A line on the terminal that is no result."""
    terminal.print(Text(printable(text), style="dim"), soft_wrap=True)
