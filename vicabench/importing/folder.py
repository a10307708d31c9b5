"""From the rows of another harness to a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vicabench.config import RunConfig
from vicabench.engine.plan import plan_record
from vicabench.engine.provenance import provenance
from vicabench.errors import DataError, RunFolderError
from vicabench.importing.joining import OrderError, Questions
from vicabench.importing.regrading import Regraded, regraded
from vicabench.importing.rows import Record, Row, Source
from vicabench.importing.sheets import CUT
from vicabench.importing.subset import judged_subset
from vicabench.predictions import Prediction, prediction_of
from vicabench.store import RunFolder
from vicabench.text import counted
from vicabench.types import Benchmark

KEPT = 20  # problems that the run folder keeps; their number is kept in any case


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What could be read of a file, and what was wrong with each of the other rows.

    `model` is the name that the rows themselves give, `subset` the one of VSI-Bench that they are
    from, None where nothing says so. `cut` counts the replies that a spreadsheet cut off.
    """

    predictions: tuple[Prediction, ...]
    problems: tuple[str, ...]
    model: str | None
    subset: str | None
    regraded: Regraded | None

    @property
    def cut(self) -> int:
        """How many replies were cut off by a spreadsheet."""
        return sum(p.answer.stop == CUT for p in self.predictions)


def collect(source: Source, benchmark: Benchmark | None) -> Imported:
    """Read every row, joined with the benchmark if there is one.

    DataError, quoting the first problem, if there is no row that can be read, and for a file about
    another subset than the benchmark's, of several models, or in another order.
    """
    rows = list(source.rows)
    good = [row for _, row in rows if not isinstance(row, DataError)]
    subset = judged_subset(source.subset, good, sure=source.subset_sure)
    _refuse_other_subset(source, subset, benchmark)
    found, problems = _read(source.file.name, rows, Questions(benchmark) if benchmark else None)
    if not found:
        first = f" The first problem: {problems[0]}" if problems else ""
        raise DataError(
            f"{source.file}: 0 of {counted(len(problems), 'row')} could be read.{first} What the "
            "file does not hold can come from the benchmark: --benchmark vsi-bench."
        )
    predictions = tuple(prediction for prediction, _ in found)
    scores = {p.question.id: row["score"] for p, row in found if row.get("score") is not None}
    return Imported(
        predictions=predictions,
        problems=tuple(problems),
        model=_model(source, good),
        subset=subset,
        regraded=regraded(predictions, scores),
    )


def _read(
    file: str, rows: Sequence[Row], questions: Questions | None
) -> tuple[list[tuple[Prediction, Record]], list[str]]:
    """The predictions with the rows that they are from, and what is wrong with the other rows."""
    found: list[tuple[Prediction, Record]] = []
    places: dict[str, str] = {}
    problems: list[str] = []
    for place, row in rows:
        where = f"{file}, {place}"
        if isinstance(row, DataError):
            problems.append(f"{where}: {row}")
            continue
        try:
            prediction = prediction_of(_joined(row, questions, where), where)
        except OrderError:
            raise
        except DataError as error:
            problems.append(str(error))
            continue
        key = prediction.question.id
        if key in places:
            problems.append(f"{where}: id {key} stands already in {places[key]}.")
        else:
            places[key] = place
            found.append((prediction, row))
    return found, problems


def _model(source: Source, rows: Sequence[Record]) -> str | None:
    """The one model that the rows name; DataError if they name several."""
    names = {row["model"] for row in rows if isinstance(row.get("model"), str) and row["model"]}
    if len(names) > 1:
        raise DataError(
            f"{source.file} holds the answers of {counted(len(names), 'model')} "
            f"({', '.join(sorted(names)[:5])}): give each a file, and a run folder, by itself."
        )
    return next(iter(names), None)


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
        **({"cut": imported.cut} if imported.cut else {}),
        **({"scores": imported.regraded.to_json()} if imported.regraded else {}),
    }
    with RunFolder(folder, _config(source, model, imported.subset, benchmark)) as store:
        there = {p.question.id for p in store.predictions()}
        news = [p for p in imported.predictions if p.question.id not in there]
        if not news:
            raise RunFolderError(f"{folder} holds these answers already. Choose another --out.")
        store.describe(plan_record(questions), {**provenance(), "imported": origin})
        store.append(news)  # the rest, after an import that was killed


def _refuse_other_subset(source: Source, subset: str | None, benchmark: Benchmark | None) -> None:
    asked = benchmark.subset if benchmark and benchmark.name == "vsi-bench" else None
    if asked and subset and subset != asked:
        by = "its name" if subset == source.subset else "its questions"
        raise DataError(
            f"{source.file} is about the subset {subset} of VSI-Bench by {by}, not "
            f"{asked}: give --subset {subset}."
        )


def _joined(row: Record, questions: Questions | None, where: str) -> Record:
    if questions is None and "position" in row:
        raise DataError(
            f"{where}: it has no question, only the number and the prompt of one: name the "
            "benchmark with --benchmark vsi-bench."
        )
    if questions is None:
        return row
    try:
        return questions.join(row)
    except DataError as error:
        raise type(error)(f"{where}: {error}") from None


def _tool(source: Source) -> str:
    version = source.details.get("version")
    return f"{source.harness} {version}" if version else source.harness


def _config(
    source: Source, model: str, subset: str | None, benchmark: Benchmark | None
) -> RunConfig:
    """Frames are as many as the harness says, else 0; which ones and the seed it does not say."""
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
        subset=benchmark.subset if benchmark else subset or "unknown",
        revision=benchmark.revision if benchmark else "unknown",
        frames=source.frames,
        sampling=f"unknown: imported from {source.harness}",
        seed=0,
    )
