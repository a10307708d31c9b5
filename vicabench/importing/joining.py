"""Rows of another harness joined with the questions of a benchmark that the user has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from vicabench.benchmarks.choices import bare_texts, spelled
from vicabench.errors import DataError
from vicabench.importing.rows import Record
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
