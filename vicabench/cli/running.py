"""What `vicabench run` does once its options are parsed."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from vicabench.adapters import find_adapter
from vicabench.benchmarks import Source
from vicabench.cli.loading import load
from vicabench.cli.output import check_format, check_published, print_table
from vicabench.engine.loop import Decoding
from vicabench.engine.options import ExecutionOptions, VideoOptions
from vicabench.engine.run import run
from vicabench.engine.shards import VISIBLE, Shard, own_gpu
from vicabench.errors import ConfigError, counted
from vicabench.evaluation import slug
from vicabench.files import digest_of
from vicabench.harnesses.protocols import find_protocol
from vicabench.predictions import read_predictions
from vicabench.progress import RunDisplay
from vicabench.results.plan import select
from vicabench.results.run import load_run
from vicabench.results.store import PREDICTIONS
from vicabench.screen import console
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
    execution: ExecutionOptions
    shard: str | None
    seed: int
    protocol: str
    table: str
    published: bool
    answer_timeout: float | None = None


def run_all(request: Request) -> None:
    """Run every model asked for, print one table, and exit with what the exit code has to say."""
    check_format(request.table)
    decoding = request.video.decoding()
    request.execution.chosen(request.options)
    shard = shard_of(request)
    protocol = find_protocol(request.protocol)
    terminal = console(stderr=True)
    for model in request.models:
        find_adapter(model)  # a misspelt model is refused before the others are run
    benchmark = benchmark_of(request, terminal)
    check_published(request.published, benchmark.name, benchmark.questions)
    selected = select(benchmark, limit=request.limit, tasks=request.tasks)
    folders = run_folders(request, benchmark, shard)
    asked = shard.of(selected) if shard else selected
    part = shard.record(selected) if shard else None
    for model, folder in folders.items():
        display = RunDisplay(terminal, model, asked, protocol)
        run_one(request, benchmark, asked, model, folder, decoding, display, part)
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


def shard_of(request: Request) -> Shard | None:
    """The part that is asked for; with `auto` this process takes a GPU of its own, if it can.

    ConfigError for what is no part.
    """
    if request.shard is None:
        return None
    shard = Shard.parse(request.shard, os.environ)
    elsewhere = request.execution.executor or request.execution.devices
    if request.shard == "auto" and request.options.device == "auto" and not elsewhere:
        visible = own_gpu(os.environ)
        if visible is not None:
            os.environ[VISIBLE] = visible
    return shard


def run_folders(
    request: Request, benchmark: Benchmark, shard: Shard | None = None
) -> dict[str, Path]:
    """The run folder of each model: --out itself for one model, a folder in it for several.

    A part's is named after it, beside the whole run's.
    """
    models = dict.fromkeys(request.models)
    if request.out and len(models) == 1:
        folders = dict.fromkeys(models, request.out)
    else:
        folders = folders_within(request, benchmark)
    if shard is None:
        return folders
    return {m: _beside(folder, shard.suffix) for m, folder in folders.items()}


def _beside(folder: Path, suffix: str) -> Path:
    named = folder if folder.name not in ("", "..") else folder.resolve()  # `.` has no name
    if not named.name:
        raise ConfigError(f"--out {folder}: no folder can be made beside it. Name another.")
    return named.with_name(named.name + suffix)


def folders_within(request: Request, benchmark: Benchmark) -> dict[str, Path]:
    """A run folder for each model, in --out or else in the benchmark's folder of runs."""
    models = dict.fromkeys(request.models)
    parent = request.out or Path("runs") / slug(benchmark.name)
    slugs = Counter(slug(model).casefold() for model in models)
    end = "-blind" if request.options.blind else ""
    return {
        # Names that become alike are told apart by a digest of what was typed.
        model: parent / (own + ("" if slugs[own.casefold()] == 1 else f"-{_short(model)}") + end)
        for model in models
        for own in [slug(model)]
    }


def _short(model: str) -> str:
    return digest_of(model)[:8]


def run_one(
    request: Request,
    benchmark: Benchmark,
    selected: Sequence[Question],
    model: str,
    folder: Path,
    decoding: Decoding | None,
    display: RunDisplay,
    part: Mapping[str, Any] | None = None,
) -> None:
    """Ask one model what its folder does not answer yet; exits with 130 on Ctrl-C.

    `part` says of which whole the selected questions are a part, None if they are all.
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
                executor=request.execution.chosen(request.options),
                part=part,
                answer_seconds=request.answer_timeout,
                display=display,
            )
        except KeyboardInterrupt:
            display.close()
            file = folder / PREDICTIONS
            kept = len(read_predictions(file, torn_ok=True)) if file.exists() else 0
            display.say(
                f"Interrupted. {folder} keeps {kept:,} of {counted(len(selected), 'answer')}; "
                "the same command continues."
            )
            sys.exit(130)


def _say_where(folders: Iterable[Path], rows: Sequence[Scores], terminal: Console) -> None:
    say(terminal, "Answers: " + ", ".join(f"{folder}" for folder in folders))
    if any(row.overall.failed for row in rows):
        say(terminal, "Some questions have no answer (exit code 1); --retry-errors asks again.")


def say(terminal: Console, text: str) -> None:
    """A line on the terminal that is no result."""
    terminal.print(Text(text, style="dim"), soft_wrap=True)
