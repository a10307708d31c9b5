"""From the rows of another harness to a run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vicabench.config import RunConfig
from vicabench.engine.plan import plan_record
from vicabench.engine.provenance import provenance
from vicabench.errors import DataError, RunFolderError
from vicabench.importing.joining import Questions
from vicabench.importing.rows import Record, Source
from vicabench.predictions import Prediction, prediction_of
from vicabench.store import RunFolder
from vicabench.types import Benchmark

KEPT = 20  # problems that the run folder keeps; their number is kept in any case


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What could be read of a file, and what was wrong with each of the other rows."""

    predictions: tuple[Prediction, ...]
    problems: tuple[str, ...]


def collect(source: Source, benchmark: Benchmark | None) -> Imported:
    """Read every row, joined with the benchmark if there is one.

    DataError, quoting the first problem, if there is no row that can be read, and for a file about
    another subset than the benchmark's.
    """
    _refuse_other_subset(source, benchmark)
    questions = Questions(benchmark) if benchmark else None
    found: dict[str, tuple[str, Prediction]] = {}
    problems: list[str] = []
    for place, row in source.rows:
        where = f"{source.file.name}, {place}"
        if isinstance(row, DataError):
            problems.append(f"{where}: {row}")
            continue
        try:
            prediction = prediction_of(_joined(row, questions, where), where)
        except DataError as error:
            problems.append(str(error))
            continue
        key = prediction.question.id
        if key in found:
            problems.append(f"{where}: id {key} stands already in {found[key][0]}.")
        else:
            found[key] = (place, prediction)
    if not found:
        first = f" The first problem: {problems[0]}" if problems else ""
        raise DataError(
            f"None of the {len(problems)} rows of {source.file} can be read.{first} What the file "
            "does not hold can come from the benchmark: --benchmark vsi-bench."
        )
    return Imported(predictions=tuple(p for _, p in found.values()), problems=tuple(problems))


def write_run(
    folder: Path,
    source: Source,
    imported: Imported,
    *,
    model: str,
    benchmark: Benchmark | None,
) -> None:
    """Write the run folder, with all that is known about where the answers come from.

    What was planned is what the file answers: rows that cannot be read are no part of the run.
    RunFolderError if the folder holds a run.
    """
    questions = [p.question for p in imported.predictions]
    rows = len(imported.predictions) + len(imported.problems)
    origin = {
        "from": _tool(source),
        "file": source.file.name,
        "rows": rows,
        "unreadable": len(imported.problems),
        "problems": list(imported.problems[:KEPT]),
    }
    with RunFolder(folder, _config(source, model, benchmark)) as store:
        there = {p.question.id for p in store.predictions()}
        news = [p for p in imported.predictions if p.question.id not in there]
        if not news:
            raise RunFolderError(f"{folder} holds these answers already. Choose another --out.")
        store.describe(plan_record(questions), {**provenance(), "imported": origin})
        store.append(news)  # the rest, after an import that was killed


def _refuse_other_subset(source: Source, benchmark: Benchmark | None) -> None:
    asked = benchmark.subset if benchmark and benchmark.name == "vsi-bench" else None
    if asked and source.subset and source.subset != asked:
        raise DataError(
            f"{source.file} is about the subset {source.subset} of VSI-Bench by its name, not "
            f"{asked}: give --subset {source.subset}."
        )


def _joined(row: Record, questions: Questions | None, where: str) -> Record:
    if questions is None:
        return row
    try:
        return questions.join(row)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _tool(source: Source) -> str:
    version = source.details.get("version")
    return f"{source.harness} {version}" if version else source.harness


def _config(source: Source, model: str, benchmark: Benchmark | None) -> RunConfig:
    """Frames and seed are those of another program: 0, and `sampling` says so."""
    about_vsi_bench = source.harness != "jsonl"
    return RunConfig(
        model=model,
        adapter={
            "imported_from": source.harness,
            "file": source.file.name,
            "file_sha256": source.digest,
            **source.details,
        },
        benchmark=(
            benchmark.name if benchmark else "vsi-bench" if about_vsi_bench else source.file.name
        ),
        subset=benchmark.subset if benchmark else source.subset or "unknown",
        revision=benchmark.revision if benchmark else "unknown",
        frames=0,
        sampling=f"unknown: imported from {source.harness}",
        seed=0,
    )
