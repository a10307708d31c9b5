"""What another harness answered as a run folder: `vicabench import`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vicabench.benchmarks import Source as DataSource
from vicabench.benchmarks import load_benchmark
from vicabench.errors import ConfigError, counted
from vicabench.harnesses import jsonl
from vicabench.harnesses.rows import Source
from vicabench.results.importing import HARNESSES, Imported, collect, find_reader, write_run
from vicabench.results.run import Run, load_run
from vicabench.types import Benchmark

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class ImportedRun:
    """The run that was made of a file, and what is to be known of it.

    `problems` says what is wrong with each row that could not be read, `notes` what the file
    lacks, what a spreadsheet cut off, and how the scores in it compare with ours.
    """

    run: Run
    problems: tuple[str, ...] = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)

    def frame(self) -> DataFrame:
        """One row a question, as `Run.frame`."""
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
    """Turn what another harness answered into a run folder.

    Args:
        harness: `official`, `lmms-eval`, `vlmevalkit` or `jsonl`.
        path: The file of per-sample outputs, or the harness's output folder.
        out: The run folder to write.
        model: The model's name; what the file says by default.
        benchmark: What the questions are taken from: `vsi-bench`, `rooms` or a `questions.jsonl`.
        subset: For `vsi-bench`: `full`, `debiased` or `pruned`.
        data: For `vsi-bench`: the folder it was downloaded to.
        columns: For `jsonl`: which column is ours, `response=output.text`.

    Raises:
        ConfigError: For an unknown harness, or arguments that say nothing about it.
        DataError: For a file of which no row can be read.
        RunFolderError: For a folder that holds another run.
    """
    source = _source(harness, Path(path), columns)
    questions = _questions(benchmark, subset, data)
    imported = collect(source, questions)
    name = model or imported.model or source.model
    if name is None:
        raise ConfigError(f"{source.file} does not name its model. Say so: --model NAME.")
    write_run(Path(out), source, imported, model=name, benchmark=questions)
    return ImportedRun(
        run=load_run(out), problems=imported.problems, notes=tuple(_notes(imported, questions))
    )


def _questions(name: str | None, subset: str, data: str | Path | None) -> Benchmark | None:
    if name is not None:
        folder = None if data is None else Path(data)
        return load_benchmark(name, DataSource(subset=subset, data=folder, videos_needed=False))
    if subset != "full" or data is not None:
        raise ConfigError("--subset and --data belong to --benchmark vsi-bench: name that too.")
    return None


def _notes(imported: Imported, questions: Benchmark | None) -> Iterator[str]:
    if questions and (missing := len(questions.questions) - len(imported.predictions)):
        yield (
            f"Questions of {questions.name} that are not in the file, and not in this run: "
            f"{missing:,} of {len(questions.questions):,}."
        )
    if imported.cut:
        yield (
            f"Cut off by the spreadsheet, whose cells hold 32,767 characters: {imported.cut} of "
            "the replies. Have VLMEvalKit write PRED_FORMAT=tsv."
        )
    if imported.regraded:
        yield f"Regraded: {imported.regraded.note}."


def _source(harness: str, path: Path, columns: Sequence[str]) -> Source:
    """The file as its harness writes it; ConfigError for an unknown harness or a stray --column."""
    if harness == "jsonl":
        return jsonl.read(path, jsonl.columns_from(columns))
    if harness not in HARNESSES:
        known = ", ".join([*HARNESSES, "jsonl"])
        raise ConfigError(f"There is no harness '{harness}'. Known are {known}.")
    if columns:
        raise ConfigError(f"--column is for jsonl: the columns of {harness} are known.")
    return find_reader(harness)(path)
