"""Scores of video descriptions by a language model: `vicabench judge`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench import files
from vicabench.adapters.text import TextModel, text_model
from vicabench.benchmarks.paths import cache_dir
from vicabench.curves.series import checkpoint
from vicabench.engine.timing import account_lines
from vicabench.errors import ConfigError
from vicabench.front.compare import runs_of
from vicabench.front.progress import Counting
from vicabench.judging.judge import (
    VERSION,
    Judged,
    Judgement,
    check,
    means_of,
    prompt_digest,
    prompt_for,
    with_overall,
)
from vicabench.judging.judge import judge as judge_all
from vicabench.judging.replies import ReplyCache
from vicabench.reporting import figures
from vicabench.reporting.files import FIGURES, figure_formats, write_file
from vicabench.reporting.judged import judged_csv, judged_record, judged_sheets
from vicabench.reporting.tables import Sheet, markdown_sheets
from vicabench.results.run import Run, load_any
from vicabench.results.store import provenance
from vicabench.screen import console, saying
from vicabench.types import ModelOptions

if TYPE_CHECKING:
    from pandas import DataFrame

RECORD = "judged.json"
JUDGE = ("judge", "prompt", "max_new_tokens")
"""Fields of the record that all judgements in one folder share."""


@dataclass(frozen=True, kw_only=True)
class Judgements:
    """A judge's scores of the descriptions of several runs, and their means with intervals."""

    judge: str
    runs: tuple[Run, ...] = field(repr=False)
    judged: tuple[Judged, ...]
    judgements: tuple[tuple[Judgement, ...], ...] = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether every video is described and every description has a score."""
        return not any(one.undescribed or one.unjudged for one in self.judged)

    def sheets(self, title: str = "") -> Sequence[Sheet]:
        """The tables that `vicabench judge` prints."""
        return judged_sheets(self.judged, title or self.judge)

    def frame(self) -> DataFrame:
        """One row per run and video: `model`, `id`, `video`, its scores, `error` and `reply`."""
        import pandas as pd  # noqa: PLC0415  (slow to import, and the command does not need it)

        rows = [
            {"model": run.name, **asdict(one), **(one.scores or {})}
            for run, judgements in zip(self.runs, self.judgements, strict=True)
            for one in judgements
        ]
        return pd.DataFrame(rows).drop(columns="scores")

    def save(self, out: str | Path, *, formats: str | Sequence[str] = FIGURES) -> list[Path]:
        """Write judgements, tables and figure to a folder, replacing those of the same judge."""
        refuse_other_judge(Path(out), self.record)
        return _write(self, Path(out), figure_formats(formats))

    def __repr__(self) -> str:
        names = ", ".join(one.model for one in self.judged)
        return f"<Judgements of {names} by {self.judge}>"


def judge(
    runs: Sequence[Run | str | Path],
    model: str,
    *,
    out: str | Path | None = None,
    formats: str | Sequence[str] = FIGURES,
    max_new_tokens: int = 1024,
    retry_errors: bool = False,
    progress: bool = True,
    **options: Any,
) -> Judgements:
    """Have a language model score descriptions of videos, 0 to 10.

    The judge sees one description at a time, and no video. Its replies are cached: repeating the
    call continues an interrupted one.

    Args:
        runs: Runs of `vicabench.describe`, or paths of their folders.
        model: The judge: `openai:NAME`, `gemini:NAME`, `anthropic:NAME`
            or `hf:ORG/NAME`.
        out: Folder for judgements, tables and figure; None writes nothing.
        formats: Formats of the figure: `pdf`, `svg`, `png`.
        max_new_tokens: Maximum number of tokens in a reply.
        retry_errors: Whether to retry descriptions whose reply could not be read.
        progress: Whether to show progress on standard error.
        options: How the model is called or run: other options of the command, by name.

    Raises:
        ConfigError: For a folder that holds judgements of another judge, or an unknown model.
        DataError: For runs that do not hold descriptions.
    """
    kinds = figure_formats(formats)
    ordered = _ordered(runs_of(runs, load_any))
    check(ordered)
    with text_model(model, ModelOptions(**options)) as reader:
        record = _judge_record(model, reader, max_new_tokens)
        if out is not None:
            refuse_other_judge(Path(out), record)
        done = _judged(
            ordered, model, reader, max_new_tokens, retry=retry_errors, progress=progress
        )
    judgements = Judgements(
        judge=model,
        runs=tuple(ordered),
        judged=tuple(_summary(run, one, ordered) for run, one in zip(ordered, done, strict=True)),
        judgements=tuple(map(tuple, done)),
        record=record,
    )
    if out is not None:
        judgements.save(out, formats=kinds)
    return judgements


def _judged(
    runs: Sequence[Run], name: str, model: TextModel, tokens: int, *, retry: bool, progress: bool
) -> list[list[Judgement]]:
    """Judge all descriptions, and report the requests made."""
    cached = failed = 0

    def count(judgement: Judgement, was_cached: bool) -> None:
        nonlocal cached, failed
        cached, failed = cached + was_cached, failed + (judgement.scores is None)
        counting.advance(f"{failed} without a score" if failed else "")

    say, terminal = saying(progress), console(stderr=True)
    terminal.quiet = not progress
    try:
        with Counting(terminal, f"Judged by {name}") as counting:
            judgements = judge_all(
                runs,
                model,
                ReplyCache(folder=cache_dir() / "replies"),
                max_new_tokens=tokens,
                retry_errors=retry,
                started=counting.begin,
                judged=count,
            )
    except KeyboardInterrupt:
        say("Interrupted. The judge's replies are kept; repeat the same command to continue.")
        raise
    for line in account_lines(model.account.record() if model.account else None, cached):
        say(line)
    return judgements


def _ordered(runs: Sequence[Run]) -> list[Run]:
    """Sort checkpoints of one series by their share of the data; keep other runs in order."""
    points = [checkpoint(run.name) for run in runs]
    one_series = len({point.series for point in points}) == 1
    if not one_series or len({point.percent for point in points}) < len(points):
        return list(runs)
    return [run for _, run in sorted(zip(points, runs, strict=True), key=lambda p: p[0].percent)]


def _summary(run: Run, judgements: Sequence[Judgement], runs: Sequence[Run]) -> Judged:
    scores = {j.video: with_overall(j.scores) for j in judgements if j.scores is not None}
    revisions = {one.config["config"]["revision"] if one.config else None for one in runs}
    different = "the runs differ in prompt or benchmark, as recorded in their config.json"
    return Judged(
        model=run.name,
        scores=scores,
        means=means_of(scores),
        undescribed=sum(not j.described for j in judgements),
        unjudged=sum(j.scores is None for j in judgements),
        cut=sum(j.cut for j in judgements),
        notes=(*run.notes, *([different] if len(revisions) > 1 else [])),
    )


def _judge_record(spec: str, model: TextModel, max_new_tokens: int) -> dict[str, Any]:
    """The record of the judge and its prompt."""
    return {
        "judge": {"spec": spec, **model.settings},
        "prompt": {
            "version": VERSION,
            "sha256": prompt_digest(),
            "text": prompt_for("{description}"),
        },
        "max_new_tokens": max_new_tokens,
    }


def refuse_other_judge(out: Path, record: Mapping[str, Any]) -> None:
    """Raise ConfigError if the folder's record is damaged or about another judge."""
    file = out / RECORD
    if not os.path.lexists(file):
        return
    try:
        existing = json.loads(files.read(file))
        other = [name for name in JUDGE if existing[name] != record[name]]
    except (ValueError, LookupError, TypeError, RecursionError):
        other = ["content"]
    if other:
        raise ConfigError(
            f"{file} belongs to other judgements: its {', '.join(other)} differs. To keep both, "
            "name another folder with --out."
        )


def _write(result: Judgements, out: Path, formats: Sequence[str]) -> list[Path]:
    """Write judgements, tables and figure."""
    prompt = f"prompt {VERSION} ({prompt_digest()[:12]})"
    figure = figures.descriptions(result.judged, result.judge, prompt)
    drawn = [figures.save(figure, out / f"judged.{kind}") for kind in formats]  # creates the folder
    lines = [
        json.dumps({"model": run.name, **asdict(one)})
        for run, judged in zip(result.runs, result.judgements, strict=True)
        for one in judged
    ]
    sources = [{"model": run.name, **run.identity} for run in result.runs]
    whole = {
        **result.record,
        **judged_record(result.judged),
        "sources": sources,
        "made": provenance(),
    }
    texts = {
        "judgements.jsonl": "".join(line + "\n" for line in lines),
        "judged.csv": judged_csv(result.judged),
        "judged.md": markdown_sheets(result.sheets(f"{result.judge}, {prompt}")) + "\n",
        RECORD: json.dumps(whole, indent=2, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        write_file(out / name, text)
    return [*drawn, *(out / name for name in texts)]
