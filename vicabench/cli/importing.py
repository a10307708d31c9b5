"""What `vicabench import` reads and says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from vicabench.errors import ConfigError, counted
from vicabench.harnesses import jsonl
from vicabench.harnesses.rows import Source
from vicabench.results.importing import HARNESSES, Imported, find_reader
from vicabench.screen import console
from vicabench.types import Benchmark


def load(harness: str, path: Path, columns: Sequence[str]) -> Source:
    """The file as its harness writes it; ConfigError for an unknown harness or a stray --column."""
    if harness == "jsonl":
        return jsonl.read(path, jsonl.columns_from(columns))
    if harness not in HARNESSES:
        known = ", ".join([*HARNESSES, "jsonl"])
        raise ConfigError(f"There is no harness '{harness}'. Known are {known}.")
    if columns:
        raise ConfigError(f"--column is for jsonl: the columns of {harness} are known.")
    return find_reader(harness)(path)


def say(imported: Imported, benchmark: Benchmark | None, out: Path, *, shown: int) -> None:
    """Tell on standard error what was read, what was not, and what to do next."""
    terminal = console(stderr=True)
    lines = list(imported.problems[:shown])
    more = len(imported.problems) - len(lines)
    if more:
        lines.append(f"... and {counted(more, 'more row')} that could not be read.")
    if benchmark and (missing := len(benchmark.questions) - len(imported.predictions)):
        lines.append(
            f"Questions of {benchmark.name} that are not in the file, and not in this run: "
            f"{missing:,} of {len(benchmark.questions):,}."
        )
    if imported.cut:
        lines.append(
            f"Cut off by the spreadsheet, whose cells hold 32,767 characters: {imported.cut} of "
            "the replies. Have VLMEvalKit write PRED_FORMAT=tsv."
        )
    if imported.regraded:
        lines.append(f"Regraded: {imported.regraded.note}.")
    videos = len({p.question.video for p in imported.predictions})
    lines.append(
        f"Wrote {counted(len(imported.predictions), 'answer')} about {counted(videos, 'video')} "
        f"to {out}"
        + (f", without {counted(len(imported.problems), 'row')}" if imported.problems else "")
        + f". Grade them: vicabench score {out}"
    )
    for line in lines:
        terminal.print(Text(line, style="dim"), soft_wrap=True)
