"""Rows of another harness joined with the questions of a benchmark that the user has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from vicabench.errors import DataError
from vicabench.importing.rows import Record
from vicabench.types import Benchmark, Question


class Questions:
    """The questions of a benchmark, found by id, or by video and text where a row has no id."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._name = benchmark.name
        self._by_id = {q.id: q for q in benchmark.questions}
        texts = Counter((q.video, q.text) for q in benchmark.questions)
        self._by_text = {
            key: q for q in benchmark.questions if texts[key := (q.video, q.text)] == 1
        }

    def join(self, row: Record) -> dict[str, Any]:
        """The row with all that the benchmark says of its question.

        DataError if there is no such question, or if the row contradicts it.
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
        return {**row, **ours}

    def _find(self, row: Record) -> Question:
        if row.get("id") is not None:
            question = self._by_id.get(str(row["id"]))
            wanted = f"the id {row['id']}"
        else:
            question = self._by_text.get((_video(row), str(row.get("question"))))
            wanted = "its video and question"
        if question is None:
            raise DataError(f"no question of {self._name} has {wanted}.")
        return question


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
