"""Descriptions of every video of a benchmark by a model: `vicabench describe`."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from vicabench.adapters import find_adapter
from vicabench.benchmarks import DEFAULT
from vicabench.benchmarks.descriptions import MAX_NEW_TOKENS, PROMPT, descriptions
from vicabench.curves.series import expanded, named_series
from vicabench.engine.shards import Shard
from vicabench.errors import ConfigError, is_unicode
from vicabench.front.benchmark import Asked, benchmark
from vicabench.front.run import run_selection
from vicabench.front.run_options import RunOptions
from vicabench.options import FRAMES
from vicabench.reporting.tables import TOO_FEW, Sheet
from vicabench.results.run import Run, load_any
from vicabench.scoring.grade import LIMIT
from vicabench.scoring.stats import median_of

BLIND_KINDS = ("baseline", "replay")
NOT_ASKED = {
    "no_video": False,
    "wording": "auto",
    "text_only": False,
    "repeats": 1,
    "with_map": None,
    "meta": None,
}
"""Options of a run that do not apply to descriptions, with their fixed values."""


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

    Repeating the call continues an interrupted run. `vicabench.judge` scores the descriptions.

    Args:
        model: A model as `vicabench.run` takes it, which looks at videos.
        videos_of: The benchmark, as `vicabench.benchmark` takes it.
        prompt: The prompt for every video.
        out: The run folder; `runs/BENCHMARK-descriptions/MODEL` by default.
        max_new_tokens: Maximum number of tokens in a description.

    The other arguments and the errors raised are those of `vicabench.run`.
    """
    check_sees([model])
    check_prompt(prompt)
    find_adapter(model)
    check_applicable(options, "descriptions")
    given = RunOptions.of({**options, "max_new_tokens": max_new_tokens}, frames=frames)
    given.check()
    loaded = benchmark(videos_of, progress=progress).benchmark
    return run_selection(
        benchmark(descriptions(loaded, prompt), limit=limit),
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
    """Expand models, patterns and published series to checkpoints, each once.

    Raises:
        ConfigError: If there are none, or one of them never looks at videos.
    """
    points = [point for spec in models for point in expanded(spec)]
    points += [point for name in series for point in named_series(name)]
    specs = tuple(dict.fromkeys(point.spec for point in points))
    if not specs:
        raise ConfigError(
            "No model is given. Name one, such as --model nkkbr/ViCA2 or --series ViCA2-7B."
        )
    check_sees(specs)
    return specs


def check_sees(specs: Sequence[str]) -> None:
    """Raise ConfigError for models that never look at videos."""
    if blind := [spec for spec in specs if spec.partition(":")[0] in BLIND_KINDS]:
        raise ConfigError(f"{', '.join(blind)} never looks at videos and cannot describe them.")


def check_applicable(options: Collection[str], what: str) -> None:
    """Raise TypeError for options of a run that do not apply to descriptions or maps."""
    if inapplicable := NOT_ASKED.keys() & set(options):
        raise TypeError(f"{', '.join(sorted(inapplicable))}: not an option of {what}.")


def check_prompt(prompt: str) -> None:
    """Raise ConfigError for a prompt that is empty or cannot be encoded in UTF-8."""
    if not prompt.strip():
        raise ConfigError("--prompt is empty: give the prompt for every video.")
    if not is_unicode(prompt):
        raise ConfigError("--prompt is not valid UTF-8 text.")


def described_sheet(runs: Sequence[Run], prompt: str) -> Sheet:
    """A table of how many videos each model described, and at what length."""
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
    described = [p for p in replies if (p.response or "").strip()]
    cut = sum(p.answer.stop == LIMIT for p in described)
    words = [float(len((p.response or "").split())) for p in described]
    middle, low, high = median_of(words, [p.question.video for p in described])
    interval = "n/a" if math.isnan(low) else f"{low:.0f}–{high:.0f}"
    failed = len(run.predictions) - len(replies) + run.unasked
    counts = (
        len(run.predictions) + run.unasked,
        len(described),
        len(replies) - len(described),
        cut,
        failed,
    )
    return (*(f"{count:,}" for count in counts), f"{middle:.0f} [{interval}]" if described else "–")
