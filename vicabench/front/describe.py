"""Have a model describe every video of a benchmark, as `vicabench describe` does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vicabench.adapters import find_adapter
from vicabench.benchmarks import DEFAULT
from vicabench.benchmarks.descriptions import MAX_NEW_TOKENS, PROMPT, descriptions
from vicabench.curves.series import expanded, named_series
from vicabench.engine.shards import Shard
from vicabench.errors import ConfigError, is_unicode
from vicabench.front.run import Asked, RunOptions, benchmark, run_selection
from vicabench.options import FRAMES
from vicabench.reporting.tables import TOO_FEW, Sheet
from vicabench.results.run import Run, load_any
from vicabench.scoring.grade import LIMIT
from vicabench.scoring.stats import median_of

UNSEEING = ("baseline", "replay")
NOT_ASKED = {"no_video": False, "wording": "vica"}
"""Options of a run that say nothing about descriptions."""


def describe(
    model: str,
    videos_of: Asked = DEFAULT,
    *,
    prompt: str = PROMPT,
    out: str | Path | None = None,
    frames: int = FRAMES,
    limit: int | None = None,
    seed: int = 0,
    max_new_tokens: int = MAX_NEW_TOKENS,
    retry_errors: bool = False,
    shard: str | Shard | None = None,
    progress: bool = True,
    **options: Any,
) -> Run:
    """Have a model describe every video of a benchmark once.

    The same call continues an interrupted run. `vicabench.judge` scores what comes of it.

    Args:
        model: What `vicabench.run` takes and looks at videos.
        videos_of: The benchmark, as `vicabench.benchmark` takes it.
        prompt: What is asked about every video.
        out: The run folder; `runs/BENCHMARK-descriptions/MODEL` by default.
        max_new_tokens: Tokens of a description at most.

    The other arguments, and what is raised, are those of `vicabench.run`.
    """
    check_sees([model])
    check_prompt(prompt)
    find_adapter(model)
    if given_in_vain := NOT_ASKED.keys() & options.keys():
        raise TypeError(f"{', '.join(sorted(given_in_vain))}: not an option of descriptions.")
    given = RunOptions.of({**options, "max_new_tokens": max_new_tokens}, frames=frames)
    given.check()
    found = benchmark(videos_of, progress=progress).benchmark
    return run_selection(
        benchmark(descriptions(found, prompt), limit=limit),
        model,
        given,
        out=None if out is None else Path(out),
        seed=seed,
        retry_errors=retry_errors,
        shard=shard,
        protocol=None,
        progress=progress,
        load=load_any,
    )


def specs_of(models: Sequence[str], series: Sequence[str]) -> tuple[str, ...]:
    """The checkpoints of models, of patterns and of published series, each once.

    ConfigError if that is none, or one of them never looks at a video.
    """
    points = [point for spec in models for point in expanded(spec)]
    points += [point for name in series for point in named_series(name)]
    specs = tuple(dict.fromkeys(point.spec for point in points))
    if not specs:
        raise ConfigError("Say what is to describe: --model nkkbr/ViCA2, or --series ViCA2-7B.")
    check_sees(specs)
    return specs


def check_sees(specs: Sequence[str]) -> None:
    """ConfigError for models that never look at a video."""
    if blind := [spec for spec in specs if spec.partition(":")[0] in UNSEEING]:
        raise ConfigError(f"{', '.join(blind)} never looks at a video, and cannot describe one.")


def check_prompt(prompt: str) -> None:
    """ConfigError for a prompt that is empty or not a text."""
    if not prompt.strip():
        raise ConfigError("--prompt is empty: say what is asked about every video.")
    if not is_unicode(prompt):
        raise ConfigError("--prompt is no text in UTF-8.")


def described_sheet(runs: Sequence[Run], prompt: str) -> Sheet:
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
