"""Results of other harnesses imported as run folders: `vicabench import`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vicabench.benchmarks import Source as DataSource
from vicabench.benchmarks import load_benchmark
from vicabench.errors import ConfigError, counted, did_you_mean
from vicabench.harnesses import jsonl
from vicabench.harnesses.rows import Source
from vicabench.results.importing import HARNESSES, Imported, collect, find_reader, write_run
from vicabench.results.run import Run, load_run
from vicabench.types import Benchmark

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class ImportedRun:
    """An imported run.

    `problems` names each unreadable row; `notes` tells what the file lacks, which replies a
    spreadsheet truncated, and how its scores compare with ours.
    """

    run: Run
    problems: tuple[str, ...] = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)

    def frame(self) -> DataFrame:
        """One row per question, as in `Run.frame`."""
        return self.run.frame()

    def __repr__(self) -> str:
        return f"<Imported {self.run!r}: {counted(len(self.problems), 'unreadable row')}>"


def import_results(
    harness: str,
    path: str | Path,
    out: str | Path,
    *,
    model: str | None = None,
    benchmark: str | None = None,
    subset: str = "full",
    data: str | Path | None = None,
    columns: Sequence[str] = (),
) -> ImportedRun:
    """Turn the results of another harness into a run folder.

    Args:
        harness: `official`, `lmms-eval`, `vlmevalkit` or `jsonl`.
        path: The file of per-sample outputs, or the harness's output folder.
        out: The run folder to write.
        model: The model's name; by default the one in the file.
        benchmark: The source of the questions: `vsi-bench`, `rooms` or a `questions.jsonl`.
        subset: For `vsi-bench`: `full`, `debiased` or `pruned`.
        data: For `vsi-bench`: the folder it was downloaded to.
        columns: For `jsonl`: our column names and the file's, as in `response=output.text`.

    Raises:
        ConfigError: For an unknown harness, or arguments that do not apply to it.
        DataError: For a file without a readable row.
        RunFolderError: For a folder that holds another run.
    """
    source = _source(harness, Path(path), columns)
    questions = _questions(benchmark, subset, data)
    imported = collect(source, questions)
    name = model or imported.model or source.model
    if name is None:
        raise ConfigError(f"{source.file} does not name its model. Give it with --model NAME.")
    write_run(Path(out), source, imported, model=name, benchmark=questions)
    return ImportedRun(
        run=load_run(out), problems=imported.problems, notes=tuple(_notes(imported, questions))
    )


def _questions(name: str | None, subset: str, data: str | Path | None) -> Benchmark | None:
    if name is not None:
        folder = None if data is None else Path(data)
        return load_benchmark(name, DataSource(subset=subset, data=folder, videos_needed=False))
    if subset != "full" or data is not None:
        raise ConfigError("--subset and --data need --benchmark vsi-bench: add it.")
    return None


def _notes(imported: Imported, questions: Benchmark | None) -> Iterator[str]:
    if questions and (missing := len(questions.questions) - len(imported.predictions)):
        yield (
            f"Questions of {questions.name} missing from the file and from this run: "
            f"{missing:,} of {len(questions.questions):,}."
        )
    if imported.cut:
        yield (
            f"Replies truncated by the spreadsheet, whose cells hold 32,767 characters: "
            f"{imported.cut}. Let VLMEvalKit write PRED_FORMAT=tsv."
        )
    if imported.regraded:
        yield f"Regraded: {imported.regraded.note}."
    if imported.graded_by:
        yield f"G{imported.graded_by.note[1:]}."


def _source(harness: str, path: Path, columns: Sequence[str]) -> Source:
    """Read the file; ConfigError for an unknown harness or columns that do not apply."""
    if harness == "jsonl":
        return jsonl.read(path, jsonl.columns_from(columns))
    if harness not in HARNESSES:
        known = [*HARNESSES, "jsonl"]
        near = did_you_mean(harness, known)
        raise ConfigError(f"Unknown harness '{harness}'. Known are {', '.join(known)}.{near}")
    if columns:
        raise ConfigError(
            f"--column is only for jsonl: the columns of {harness} are known. Leave it out."
        )
    return find_reader(harness)(path)
