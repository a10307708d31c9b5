"""What `vicabench describe` does once its options are parsed."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from vicabench.adapters import find_adapter
from vicabench.benchmarks.descriptions import descriptions
from vicabench.cli.running import Request, benchmark_of, run_folders, run_one, say, shard_of
from vicabench.curves.series import expanded, named_series
from vicabench.errors import ConfigError, is_unicode
from vicabench.progress import RunDisplay
from vicabench.reporting.tables import TOO_FEW, Sheet, show_sheets
from vicabench.results.plan import select
from vicabench.results.run import Run, load_any
from vicabench.scoring.grade import LIMIT
from vicabench.scoring.stats import median_of
from vicabench.screen import console

UNSEEING = ("baseline", "replay")


def specs_of(models: Sequence[str], series: Sequence[str]) -> tuple[str, ...]:
    """The checkpoints of models, of patterns and of published series, each once.

    ConfigError if that is none, or one of them never looks at a video.
    """
    points = [point for spec in models for point in expanded(spec)]
    points += [point for name in series for point in named_series(name)]
    specs = tuple(dict.fromkeys(point.spec for point in points))
    if not specs:
        raise ConfigError("Say what is to describe: --model nkkbr/ViCA2, or --series ViCA2-7B.")
    if blind := [spec for spec in specs if spec.partition(":")[0] in UNSEEING]:
        raise ConfigError(f"{', '.join(blind)} never looks at a video, and cannot describe one.")
    return specs


def describe_all(request: Request, prompt: str) -> None:
    """Have every model describe every video, print what came of it, and exit by it."""
    if not prompt.strip():
        raise ConfigError("--prompt is empty: say what is asked about every video.")
    if not is_unicode(prompt):
        raise ConfigError("--prompt is no text in UTF-8.")
    decoding = request.video.decoding()
    request.execution.chosen(request.options)
    shard = shard_of(request)
    terminal = console(stderr=True)
    for model in request.models:
        find_adapter(model)  # a misspelt model is refused before the others are run
    benchmark = descriptions(benchmark_of(request, terminal), prompt)
    selected = select(benchmark, limit=request.limit)
    folders = run_folders(request, benchmark, shard)
    asked = shard.of(selected) if shard else selected
    part = shard.record(selected) if shard else None
    for model, folder in folders.items():
        display = RunDisplay(terminal, model, asked, None)
        run_one(request, benchmark, asked, model, folder, decoding, display, part)
    runs = [load_any(folder) for folder in folders.values()]
    show_sheets(console(), [_sheet(runs, prompt)])
    _say_next(list(folders.values()), runs)


def _sheet(runs: Sequence[Run], prompt: str) -> Sheet:
    """How many videos each model described, and at what length."""
    rows = tuple((run.name, *_row(run)) for run in runs)
    return Sheet(
        title="Descriptions",
        columns=("", "videos", "described", "empty", "cut at the limit", "failed", "words"),
        rows=rows,
        notes=(
            *(f"{run.name}: {run.part}" for run in runs if run.part),
            f"Prompt: {prompt}",
            "Words: the median over videos, with its 95% interval from a bootstrap over videos; "
            f"{TOO_FEW}.",
        ),
    )


def _row(run: Run) -> tuple[str, ...]:
    replies = [p for p in run.predictions if p.response is not None]
    told = [p for p in replies if (p.response or "").strip()]
    cut = sum(p.answer.stop == LIMIT for p in told)
    words = [float(len((p.response or "").split())) for p in told]
    middle, low, high = median_of(words, [p.question.video for p in told])
    interval = "n/a" if math.isnan(low) else f"{low:.0f}–{high:.0f}"
    failed = len(run.predictions) - len(replies) + run.unasked
    counts = (len(run.predictions) + run.unasked, len(told), len(replies) - len(told), cut, failed)
    return (*(f"{count:,}" for count in counts), f"{middle:.0f} [{interval}]" if told else "–")


def _say_next(folders: Sequence[Path], runs: Sequence[Run]) -> None:
    terminal, places = console(stderr=True), " ".join(str(folder) for folder in folders)
    say(terminal, f"Have them judged: vicabench judge {places} --model openai:NAME")
    failed = any(run.unasked or any(p.response is None for p in run.predictions) for run in runs)
    if failed:
        say(terminal, "Some videos have no description (exit code 1); --retry-errors asks again.")
    sys.exit(1 if failed else 0)
