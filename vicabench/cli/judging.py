"""What `vicabench judge` does once its options are parsed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from vicabench import files
from vicabench.adapters.text import TextModel, text_model
from vicabench.benchmarks.paths import cache_dir
from vicabench.cli.counting import Counting
from vicabench.cli.output import write_file
from vicabench.cli.running import say
from vicabench.cli.texts import account_lines
from vicabench.curves.series import checkpoint
from vicabench.errors import ConfigError
from vicabench.judging.judge import (
    VERSION,
    Judged,
    Judgement,
    check,
    judge,
    means_of,
    prompt_digest,
    prompt_for,
    with_overall,
)
from vicabench.judging.replies import ReplyCache
from vicabench.reporting.judged import judged_csv, judged_record, judged_sheets
from vicabench.reporting.tables import markdown_sheets, show_sheets
from vicabench.results.run import Run, load_any, load_runs
from vicabench.results.store import provenance
from vicabench.screen import console
from vicabench.types import ModelOptions

RECORD = "judged.json"
JUDGE = ("judge", "prompt", "max_new_tokens")
"""What all that stands in one folder has in common."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of one `vicabench judge`."""

    paths: tuple[Path, ...]
    model: str
    out: Path
    formats: tuple[str, ...]
    max_new_tokens: int
    retry_errors: bool
    options: ModelOptions


def judge_runs(request: Request) -> None:
    """Judge, write the files, print the tables, and exit with what the exit code has to say."""
    terminal = console(stderr=True)
    runs = _ordered(load_runs(request.paths, load_any))
    check(runs)
    with text_model(request.model, request.options) as model:
        record = _judge_record(request, model)
        _refuse_other_judge(request.out, record)
        judgements = _judged(request, runs, model, terminal)
    judged = [_summary(run, found, runs) for run, found in zip(runs, judgements, strict=True)]
    _write(request, runs, judgements, judged, record)
    show_sheets(console(), judged_sheets(judged, request.model))
    say(terminal, f"Judgements, tables and figure: {request.out}")
    sys.exit(1 if any(one.undescribed or one.unjudged for one in judged) else 0)


def _ordered(runs: Sequence[Run]) -> list[Run]:
    """Checkpoints of one series by their share of the data; other runs as they were named."""
    points = [checkpoint(run.name) for run in runs]
    one_series = len({point.series for point in points}) == 1
    if not one_series or len({point.percent for point in points}) < len(points):
        return list(runs)
    return [run for _, run in sorted(zip(points, runs, strict=True), key=lambda p: p[0].percent)]


def _judged(
    request: Request, runs: Sequence[Run], model: TextModel, terminal: Console
) -> list[list[Judgement]]:
    """All judgements; what was sent for them is said. Exits with 130 on Ctrl-C."""
    cached = failed = 0

    def count(judgement: Judgement, was_kept: bool) -> None:
        nonlocal cached, failed
        cached, failed = cached + was_kept, failed + (judgement.scores is None)
        counting.advance(f"{failed} without a score" if failed else "")

    with Counting(terminal, f"Judged by {request.model}") as counting:
        try:
            found = judge(
                runs,
                model,
                ReplyCache(folder=cache_dir() / "replies"),
                max_new_tokens=request.max_new_tokens,
                retry_errors=request.retry_errors,
                started=counting.begin,
                judged=count,
            )
        except KeyboardInterrupt:
            counting.say("Interrupted. What the judge replied is kept; the same command goes on.")
            sys.exit(130)
    for line in account_lines(model.account.record() if model.account else None, cached):
        say(terminal, line)
    return found


def _summary(run: Run, judgements: Sequence[Judgement], runs: Sequence[Run]) -> Judged:
    scores = {j.video: with_overall(j.scores) for j in judgements if j.scores is not None}
    revisions = {one.config["config"]["revision"] if one.config else None for one in runs}
    different = "the runs differ in their prompts or benchmarks, which config.json names"
    return Judged(
        model=run.name,
        scores=scores,
        means=means_of(scores),
        undescribed=sum(not j.described for j in judgements),
        unjudged=sum(j.scores is None for j in judgements),
        cut=sum(j.cut for j in judgements),
        notes=(*run.notes, *([different] if len(revisions) > 1 else [])),
    )


def _judge_record(request: Request, model: TextModel) -> dict[str, Any]:
    """Who judged, and how it was asked."""
    return {
        "judge": {"spec": request.model, **model.settings},
        "prompt": {
            "version": VERSION,
            "sha256": prompt_digest(),
            "text": prompt_for("{description}"),
        },
        "max_new_tokens": request.max_new_tokens,
    }


def _refuse_other_judge(out: Path, record: Mapping[str, Any]) -> None:
    """ConfigError if the folder holds the judgements of another judge, or no such thing."""
    file = out / RECORD
    if not os.path.lexists(file):
        return
    try:
        there = json.loads(files.read(file))
        other = [name for name in JUDGE if there[name] != record[name]]
    except (ValueError, LookupError, TypeError, RecursionError):
        other = ["content"]
    if other:
        raise ConfigError(
            f"{file} is about other judgements: its {', '.join(other)} differs. Keep both: name "
            "another folder with --out."
        )


def _write(
    request: Request,
    runs: Sequence[Run],
    judgements: Sequence[Sequence[Judgement]],
    judged: Sequence[Judged],
    record: Mapping[str, Any],
) -> None:
    """The judgements line by line, the tables, and the figure."""
    from vicabench.reporting.figures import descriptions, save

    prompt = f"prompt {VERSION} ({prompt_digest()[:12]})"
    figure = descriptions(judged, request.model, prompt)
    for kind in request.formats:  # which makes the folder
        save(figure, request.out / f"judged.{kind}")
    lines = [
        json.dumps({"model": run.name, **asdict(j)})
        for run, found in zip(runs, judgements, strict=True)
        for j in found
    ]
    sources = [{"model": run.name, **run.identity} for run in runs]
    whole = {**record, **judged_record(judged), "sources": sources, "made": provenance()}
    texts = {
        "judgements.jsonl": "".join(line + "\n" for line in lines),
        "judged.csv": judged_csv(judged),
        "judged.md": markdown_sheets(judged_sheets(judged, f"{request.model}, {prompt}")) + "\n",
        RECORD: json.dumps(whole, indent=2, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        write_file(request.out / name, text)
