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
from vicabench.cli.options import FRAMES, VIDEO_TIMEOUT, WORKERS
from vicabench.cli.output import check_format, check_published, console, print_table
from vicabench.cli.progress import RunDisplay, building
from vicabench.datasets import Source, load_benchmark
from vicabench.engine.loop import Decoding
from vicabench.engine.plan import select
from vicabench.engine.run import run
from vicabench.errors import ConfigError
from vicabench.grading.protocols import Protocol, find_protocol
from vicabench.predictions import read_predictions
from vicabench.results import load_run
from vicabench.store import PREDICTIONS
from vicabench.text import printable
from vicabench.types import Benchmark, ModelOptions, Question, Scores, digest_of

DECODERS = ("auto", "decord", "pyav")


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of one `vicabench run`."""

    models: tuple[str, ...]
    benchmark: str
    subset: str
    data: Path | None
    videos: Path | None
    frames: int
    limit: int | None
    tasks: tuple[str, ...]
    out: Path | None
    retry_errors: bool
    no_video: bool
    options: ModelOptions
    seed: int
    workers: int
    video_timeout: float
    decoder: str
    protocol: str
    table: str
    published: bool

    @property
    def decoding(self) -> Decoding | None:
        """How to decode; None for `--no-video`."""
        if self.no_video:
            return None
        return Decoding(
            frames=self.frames,
            workers=self.workers,
            limit_seconds=self.video_timeout,
            decoder=self.decoder,
        )


def run_all(request: Request) -> None:
    """Run every model asked for, print one table, and exit with what the exit code has to say."""
    check_format(request.table)
    check_options(request)
    protocol = find_protocol(request.protocol)
    terminal = console(stderr=True)
    for model in request.models:
        find_adapter(model)  # a misspelt model is refused before the others are run
    benchmark = load(request, terminal)
    check_published(request.published, benchmark.name)
    selected = select(benchmark, limit=request.limit, tasks=request.tasks)
    folders = _folders(request, benchmark)
    for model, folder in folders.items():
        run_one(request, benchmark, selected, model, folder, protocol, terminal)
    rows = [load_run(folder).scores(protocol) for folder in folders.values()]
    print_table(rows, name=request.table, published=request.published)
    _say_where(folders.values(), rows, terminal)
    sys.exit(1 if any(row.overall.failed for row in rows) else 0)


def check_options(request: Request) -> None:
    """An option that cannot be meant, or would be ignored, is an error, never silence."""
    if request.decoder not in DECODERS:
        raise ConfigError(
            f"There is no decoder '{request.decoder}'. Decoders are {', '.join(DECODERS)}."
        )
    given = (request.frames, request.workers, request.video_timeout, request.decoder)
    if request.no_video and given != (FRAMES, WORKERS, VIDEO_TIMEOUT, DECODERS[0]):
        raise ConfigError(
            "--no-video decodes nothing: leave out --frames, --workers, --video-timeout and "
            "--decoder, or --no-video."
        )


def load(request: Request, terminal: Console) -> Benchmark:
    """The benchmark that is asked for, built if need be; exits with 130 on Ctrl-C."""
    with building(terminal, f"Building {request.benchmark}") as progress:
        source = Source(
            subset=request.subset,
            data=request.data,
            videos=request.videos,
            videos_needed=not request.no_video,
            progress=progress,
        )
        try:
            return load_benchmark(request.benchmark, source)
        except KeyboardInterrupt:
            say(terminal, "Interrupted. What was built is kept; the same command continues.")
            sys.exit(130)


def _folders(request: Request, benchmark: Benchmark) -> dict[str, Path]:
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
    protocol: Protocol,
    terminal: Console,
) -> None:
    """Ask one model what its folder does not answer yet; exits with 130 on Ctrl-C.

    Raises the kinds of UserError that adapters and run folders raise.
    """
    with RunDisplay(terminal, model, selected, protocol) as display:
        try:
            run(
                benchmark,
                selected,
                model=model,
                folder=folder,
                decoding=request.decoding,
                seed=request.seed,
                options=request.options,
                retry_errors=request.retry_errors,
                started=display.started,
                answered=display.answered,
            )
        except KeyboardInterrupt:
            display.close()
            file = folder / PREDICTIONS
            kept = len(read_predictions(file, torn_ok=True)) if file.exists() else 0
            say(
                terminal,
                f"Interrupted. The answers to {kept} of {len(selected)} questions are kept in "
                f"{folder}; the same command continues.",
            )
            sys.exit(130)


def _say_where(folders: Iterable[Path], rows: Sequence[Scores], terminal: Console) -> None:
    say(terminal, "Answers: " + ", ".join(f"{folder}" for folder in folders))
    if any(row.overall.failed for row in rows):
        say(terminal, "Some questions have no answer (exit code 1); --retry-errors asks again.")


def say(terminal: Console, text: str) -> None:
    """A line on the terminal that is no result."""
    terminal.print(Text(printable(text), style="dim"), soft_wrap=True)
