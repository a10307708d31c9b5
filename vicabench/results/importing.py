"""Turn the rows of another harness, joined with a benchmark, into a run folder.

A new harness is one file with a `read(path) -> Source` and one line in `HARNESSES`.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicabench.benchmarks.choices import bare_texts, spelled
from vicabench.benchmarks.vsi_bench import COUNTS, LAST_ID, published_pruned_ids
from vicabench.errors import DataError, RunFolderError, counted
from vicabench.harnesses.rows import CUT, Record, Row, Source
from vicabench.predictions import Prediction, prediction_of
from vicabench.results.graded_by import GradedBy, Regraded, graded_by, regraded
from vicabench.results.plan import plan_record
from vicabench.results.store import RunConfig, RunFolder, provenance
from vicabench.rubric import VSI
from vicabench.types import Benchmark, Question


class OrderError(DataError):
    """Rows that refer to questions by position do not match the benchmark's order."""


class Questions:
    """The questions of a benchmark, looked up by id, by video and text, or by position."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._name = benchmark.name
        self.rubric = benchmark.rubric
        self._in_order = benchmark.questions
        self._by_id = {q.id: q for q in benchmark.questions}
        texts = Counter((q.video, q.text) for q in benchmark.questions)
        self._by_text = {
            key: q for q in benchmark.questions if texts[key := (q.video, q.text)] == 1
        }

    def join(self, row: Record) -> dict[str, Any]:
        """The row, completed with what the benchmark knows about its question.

        Raises:
            DataError: The benchmark has no such question, or the row contradicts it.
            OrderError: Another question is at the row's position; this concerns the whole file.
        """
        question = self._find(row)
        ours = {
            "id": question.id,
            "video": question.video,
            "question_type": question.task,
            "question": question.text,
            "options": list(question.options) or None,
            "ground_truth": question.answer,
        }
        further: dict[str, Any] = {"group": question.group or None, "scene": question.scene or None}
        if question.accepted:
            further["ground_truth"] = list(question.answers)
        for key in ("question_type", "question", "ground_truth"):
            if row.get(key) is not None and not _same(row[key], ours[key]):
                raise DataError(
                    f"its {key} is {str(row[key])[:60]!r}, and {str(ours[key])[:60]!r} in question "
                    f"{question.id} of {self._name}."
                )
        self._check_options(row, question)
        return {**row, **ours, **further}

    def _check_options(self, row: Record, question: Question) -> None:
        """Refuse options in another order, in which the reply's letter means another option."""
        theirs = spelled(row.get("options")) if question.options else ()
        if theirs and [*map(_plain, theirs)] != [*map(_plain, question.options)]:
            raise DataError(
                f"its options are {', '.join(theirs)[:80]}, and "
                f"{', '.join(question.options)[:80]} in question {question.id} of {self._name}."
            )

    def _find(self, row: Record) -> Question:
        if "position" in row:
            return self._at(row)
        if row.get("id") is not None:
            question = self._by_id.get(str(row["id"]))
            key = f"the id {row['id']}"
        else:
            question = self._by_text.get((_video(row), str(row.get("question"))))
            key = "its video and question"
        if question is None:
            raise DataError(f"no question of {self._name} has {key}.")
        return question

    def _at(self, row: Record) -> Question:
        """The question at the row's position; raises OrderError if the prompt asks another."""
        position = row["position"]
        question = self._in_order[position] if 0 <= position < len(self._in_order) else None
        texts = [] if question is None else [question.text, *question.options]
        truth = row.get("ground_truth")
        if question is None or any(text not in row["prompt"] for text in texts):
            raise OrderError(
                f"its prompt does not ask question {position} of {self._name}, in its order. The "
                "rows have neither ids nor videos, so choose the --subset and the revision "
                "(--data) that the harness loaded."
            )
        if truth is not None and not _same(truth, question.answer):
            raise OrderError(
                f"its truth is {str(truth)[:60]!r}, and {question.answer!r} in question {position} "
                f"of {self._name}, in its order: the harness loaded another revision or subset."
            )
        return question


def _plain(option: str) -> str:
    """The text of an option without its letter, normalized for comparison."""
    return " ".join(bare_texts([option])[0].split()).casefold()


def _video(row: Mapping[str, Any]) -> str:
    if row.get("video") is not None:
        return str(row["video"])
    return f"{row.get('dataset')}/{row.get('scene_name')}"


def _same(theirs: Any, ours: Any) -> bool:
    """Whether two values are equal: texts up to white space at the ends, numbers by value."""
    if str(theirs).strip() == str(ours).strip():
        return True
    try:
        return float(theirs) == float(ours)
    except (TypeError, ValueError):
        return False


def judged_subset(named: str | None, rows: Iterable[Record], *, sure: bool) -> str | None:
    """Determine the subset of VSI-Bench from the questions of a file.

    A file with both pruned and debiased questions is of the full set. The column `pruned` tells
    the two apart; without it, and unless the name is `sure`, the published ids do. Questions of
    one kind alone are that subset if it is named or complete, otherwise a part of the full set.

    Returns:
        The subset; `named` if the questions do not tell.
    """
    kinds: dict[str, bool] = {}
    for row in rows:
        key, mark = str(row.get("id")), row.get("pruned")
        if isinstance(mark, bool):
            kinds[key] = mark
        elif not sure and key.isdecimal() and len(key) < 7 and int(key) <= LAST_ID:
            kinds[key] = key in published_pruned_ids()
    if not kinds:
        return named
    if len(set(kinds.values())) == 2:
        return "full"
    only = "pruned" if next(iter(kinds.values())) else "debiased"
    if named == only or len(kinds) == COUNTS[only]:
        return only
    return "full" if named else None


MAX_PROBLEMS = 20  # messages recorded in the run folder; the total number is always recorded


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The readable rows of a file, and the problem of each other row.

    Attributes:
        predictions: The readable rows.
        problems: One message per unreadable row.
        model: The model named in the rows; None if they name none.
        subset: The subset of VSI-Bench; None if it is unknown.
        regraded: How the scores in the file compare with ours; None if it has none.
        graded_by: The version of the harness that graded the file; None if it is of no harness.
    """

    predictions: tuple[Prediction, ...]
    problems: tuple[str, ...]
    model: str | None
    subset: str | None
    regraded: Regraded | None
    graded_by: GradedBy | None = None

    @property
    def cut(self) -> int:
        """The number of replies that a spreadsheet cut off."""
        return sum(p.answer.stop == CUT for p in self.predictions)


def collect(source: Source, benchmark: Benchmark | None) -> Imported:
    """Read every row, joined with the benchmark if there is one.

    Raises:
        DataError: No row is readable (the message quotes the first problem), or the file is of
            another subset than the benchmark, of several models, or in another order.
    """
    rows = list(source.rows)
    good = [row for _, row in rows if not isinstance(row, DataError)]
    subset = judged_subset(source.subset, good, sure=source.subset_sure)
    _refuse_other_subset(source, subset, benchmark)
    readable, problems = _read(source.file.name, rows, Questions(benchmark) if benchmark else None)
    if not readable:
        first = f" The first problem: {problems[0]}" if problems else ""
        raise DataError(
            f"{source.file}: 0 of {counted(len(problems), 'row')} could be read.{first} Add "
            "--benchmark vsi-bench to take what the file lacks from the benchmark."
        )
    predictions = tuple(prediction for prediction, _ in readable)
    scores = {p.question.id: row["score"] for p, row in readable if row.get("score") is not None}
    return Imported(
        predictions=predictions,
        problems=tuple(problems),
        model=_model(source, good),
        subset=subset,
        regraded=regraded(predictions, scores),
        graded_by=graded_by(source, predictions, scores),
    )


def _read(
    file: str, rows: Sequence[Row], questions: Questions | None
) -> tuple[list[tuple[Prediction, Record]], list[str]]:
    """The predictions with their rows, and the problems of the other rows."""
    readable: list[tuple[Prediction, Record]] = []
    places: dict[str, str] = {}
    problems: list[str] = []
    for place, row in rows:
        where = f"{file}, {place}"
        if isinstance(row, DataError):
            problems.append(f"{where}: {row}")
            continue
        try:
            rubric = questions.rubric if questions else VSI
            prediction = prediction_of(_joined(row, questions, where), where, rubric)
        except OrderError:
            raise
        except DataError as error:
            problems.append(str(error))
            continue
        key = prediction.question.id
        if key in places:
            problems.append(f"{where}: id {key} was already in {places[key]}.")
        else:
            places[key] = place
            readable.append((prediction, row))
    return readable, problems


def _model(source: Source, rows: Sequence[Record]) -> str | None:
    """The model that the rows name; raises DataError if they name several."""
    names = {row["model"] for row in rows if isinstance(row.get("model"), str) and row["model"]}
    if len(names) > 1:
        raise DataError(
            f"{source.file} holds the answers of {counted(len(names), 'model')} "
            f"({', '.join(sorted(names)[:5])}). Split it into one file, and one run folder, per "
            "model."
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
    """Write the run folder, with all that is known about the origin of the answers.

    The plan consists of the questions that the file answers; unreadable rows are not part of it.

    Raises:
        RunFolderError: The folder already holds a run.
    """
    questions = [p.question for p in imported.predictions]
    rows = len(imported.predictions) + len(imported.problems)
    origin = {
        "from": _tool(source),
        "file": source.file.name,
        "rows": rows,
        "unreadable": len(imported.problems),
        "problems": list(imported.problems[:MAX_PROBLEMS]),
        **({"cut": imported.cut} if imported.cut else {}),
        **({"scores": imported.regraded.to_json()} if imported.regraded else {}),
        **({"graded_by": imported.graded_by.to_json()} if imported.graded_by else {}),
    }
    rubric = benchmark.rubric if benchmark else VSI
    with RunFolder(folder, _config(source, model, imported, benchmark), rubric) as store:
        stored = {p.question.id for p in store.predictions()}
        # After an import that was killed, only the rest is new.
        new = [p for p in imported.predictions if p.question.id not in stored]
        if not new:
            raise RunFolderError(
                f"{folder} already holds these answers. Choose another folder with --out."
            )
        store.describe(plan_record(questions, rubric=rubric), {**provenance(), "imported": origin})
        store.append(new)


def _refuse_other_subset(source: Source, subset: str | None, benchmark: Benchmark | None) -> None:
    asked = benchmark.subset if benchmark and benchmark.name == "vsi-bench" else None
    if asked and subset and subset != asked:
        by = "its name" if subset == source.subset else "its questions"
        raise DataError(
            f"{source.file} is, by {by}, of the subset {subset} of VSI-Bench, not {asked}. "
            f"Give --subset {subset}."
        )


def _joined(row: Record, questions: Questions | None, where: str) -> Record:
    if questions is None and "position" in row:
        raise DataError(
            f"{where}: it has no question, only its number and prompt. Name the benchmark with "
            "--benchmark vsi-bench."
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
    source: Source, model: str, imported: Imported, benchmark: Benchmark | None
) -> RunConfig:
    """The run's configuration, as far as known: frames are 0 if the harness records no number."""
    about_vsi_bench = source.harness != "jsonl"
    return RunConfig(
        model=model,
        adapter={
            "imported_from": source.harness,
            "file": source.file.name,
            "file_sha256": source.digest,
            **source.details,
            **({"protocol": by.protocol} if (by := imported.graded_by) else {}),
        },
        benchmark=(
            benchmark.name if benchmark else "vsi-bench" if about_vsi_bench else source.file.name
        ),
        subset=benchmark.subset if benchmark else imported.subset or "unknown",
        revision=benchmark.revision if benchmark else "unknown",
        frames=source.frames,
        sampling=f"unknown: imported from {source.harness}",
        seed=0,
    )


HARNESSES = {
    "lmms-eval": "vicabench.harnesses.lmms_eval",
    "official": "vicabench.harnesses.official",
    "vlmevalkit": "vicabench.harnesses.vlmevalkit",
}


def find_reader(name: str) -> Callable[[Path], Source]:
    """The reader of a harness in `HARNESSES`."""
    reader: Callable[[Path], Source] = importlib.import_module(HARNESSES[name]).read
    return reader
