"""From the rows of another harness, joined with a benchmark, to a run folder.

A new harness is one file with a `read(path) -> Source` and one line in `HARNESSES`.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vicabench.benchmarks.choices import bare_texts, spelled
from vicabench.benchmarks.vsi_bench import COUNTS, LAST_ID, published_pruned_ids
from vicabench.errors import DataError, RunFolderError, counted
from vicabench.harnesses.protocols import PROTOCOLS, find_protocol
from vicabench.harnesses.rows import CUT, Record, Row, Source
from vicabench.predictions import Prediction, prediction_of
from vicabench.results.plan import plan_record
from vicabench.results.store import RunConfig, RunFolder, provenance
from vicabench.scoring.grade import grade
from vicabench.types import Benchmark, Question


class OrderError(DataError):
    """Rows that only say their place in the questions, of questions in another order."""


class Questions:
    """The questions of a benchmark, found by what a row has: id, video and text, or position."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._name = benchmark.name
        self._in_order = benchmark.questions
        self._by_id = {q.id: q for q in benchmark.questions}
        texts = Counter((q.video, q.text) for q in benchmark.questions)
        self._by_text = {
            key: q for q in benchmark.questions if texts[key := (q.video, q.text)] == 1
        }

    def join(self, row: Record) -> dict[str, Any]:
        """The row with all that the benchmark says of its question.

        DataError if there is no such question, or if the row contradicts it; OrderError, which
        concerns the whole file, for a position where another question stands.
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
        for key in ("question_type", "question", "ground_truth"):
            if row.get(key) is not None and not _same(row[key], ours[key]):
                raise DataError(
                    f"its {key} is {str(row[key])[:60]!r}, and {str(ours[key])[:60]!r} in question "
                    f"{question.id} of {self._name}."
                )
        self._check_options(row, question)
        return {**row, **ours}

    def _check_options(self, row: Record, question: Question) -> None:
        """Refuse options in another order: the letters of the replies would mean others."""
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
            wanted = f"the id {row['id']}"
        else:
            question = self._by_text.get((_video(row), str(row.get("question"))))
            wanted = "its video and question"
        if question is None:
            raise DataError(f"no question of {self._name} has {wanted}.")
        return question

    def _at(self, row: Record) -> Question:
        """The question at a row's position, if the row's prompt asks it."""
        place = row["position"]
        question = self._in_order[place] if 0 <= place < len(self._in_order) else None
        asked = [] if question is None else [question.text, *question.options]
        truth = row.get("ground_truth")
        if question is None or any(text not in row["prompt"] for text in asked):
            raise OrderError(
                f"its prompt is not that of question {place} of {self._name}, in its order. "
                "The rows have neither ids nor videos: choose the --subset and the revision "
                "(--data) that the harness loaded."
            )
        if truth is not None and not _same(truth, question.answer):
            raise OrderError(
                f"its truth is {str(truth)[:60]!r}, and {question.answer!r} in question {place} of "
                f"{self._name}, in its order: the harness loaded another revision or subset."
            )
        return question


def _plain(option: str) -> str:
    """The text of an option, for comparing."""
    return " ".join(bare_texts([option])[0].split()).casefold()


def _video(row: Mapping[str, Any]) -> str:
    if row.get("video") is not None:
        return str(row["video"])
    return f"{row.get('dataset')}/{row.get('scene_name')}"


def _same(theirs: Any, ours: Any) -> bool:
    """Texts but for their ends, numbers however they are spelled."""
    if str(theirs).strip() == str(ours).strip():
        return True
    try:
        return float(theirs) == float(ours)
    except (TypeError, ValueError):
        return False


ROUNDING = 1e-4  # of scores that were printed, not stored


@dataclass(frozen=True, kw_only=True)
class Regraded:
    """How many answers came with a score, and how many of them each protocol grades otherwise."""

    count: int
    differing: Mapping[str, int]

    @property
    def note(self) -> str:
        """Which protocols reproduce the scores, or that none does, as a clause."""
        same = [name for name, count in self.differing.items() if not count]
        if same:
            return f"its own scores ({self.count}) are those of {', '.join(same)}"
        counts = ", ".join(f"{name} differs in {count}" for name, count in self.differing.items())
        return f"no protocol reproduces its own scores ({self.count}): {counts}"

    def to_json(self) -> dict[str, Any]:
        """The counts and the note, for the run folder."""
        return {**asdict(self), "note": self.note}


def regraded(predictions: Sequence[Prediction], scores: Mapping[str, float]) -> Regraded | None:
    """Grade the answers that have a score by every protocol; None if none has one."""
    scored = [p for p in predictions if p.question.id in scores]
    if not scored:
        return None
    differing = {}
    for name in PROTOCOLS:
        rule = find_protocol(name)
        differing[name] = sum(
            abs(grade(p, rule).score - scores[p.question.id]) > ROUNDING for p in scored
        )
    return Regraded(count=len(scored), differing=differing)


def judged_subset(named: str | None, rows: Iterable[Record], *, sure: bool) -> str | None:
    """Return the subset that the questions of a file are from; `named` where they do not tell.

    Questions of both kinds are the full set's. Where the rows have no column `pruned`, and the
    name is not `sure`, the published ids tell the kinds apart. The questions of one kind alone
    are that subset if it is named or whole, and otherwise a part of the full set.
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


HARNESSES = {
    "lmms-eval": "vicabench.harnesses.lmms_eval",
    "official": "vicabench.harnesses.official",
    "vlmevalkit": "vicabench.harnesses.vlmevalkit",
}


def find_reader(name: str) -> Callable[[Path], Source]:
    """The reader of a harness in `HARNESSES`."""
    reader: Callable[[Path], Source] = importlib.import_module(HARNESSES[name]).read
    return reader
