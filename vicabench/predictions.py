"""Predictions as lines of JSON: what a run writes, and what `vicabench score` reads from anyone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicabench.errors import DataError
from vicabench.types import NUMERIC, QUESTION_TYPES, TASK_OF_TYPE, Answer, Question

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A question with what was answered to it."""

    question: Question
    answer: Answer

    @property
    def response(self) -> str | None:
        """The text to grade; None for an error, whatever text came with it."""
        return None if self.answer.error is not None else self.answer.response

    def to_json(self) -> str:
        """The line without its newline, in ASCII: control characters and surrogates escaped."""
        q, a = self.question, self.answer
        record = {
            "id": q.id,
            "video": q.video,
            "question_type": q.task,
            "question": q.text,
            "options": list(q.options) or None,
            "ground_truth": q.answer,
            "response": a.response,
            "error": a.error,
            "stop": a.stop,
            "prompt_tokens": a.prompt_tokens,
            "new_tokens": a.new_tokens,
            "seconds": a.seconds,
        }
        return json.dumps(record, ensure_ascii=True)


def read_predictions(file: Path) -> list[Prediction]:
    """Read a predictions file, in its order, one prediction per id.

    A line needs `id`, `question_type`, `ground_truth`, `response`, and `video` or `dataset` with
    `scene_name`; the rest of what a run writes is optional. A line may replace an earlier one of
    the same id only if that one is an error (it was asked again). DataError naming file and line
    for anything else.
    """
    found: dict[str, tuple[int, Prediction]] = {}
    for number, record in _records(file):
        where = f"{file}, line {number}"
        prediction = _prediction(record, where)
        key = prediction.question.id
        if key in found and found[key][1].answer.error is None:
            raise DataError(
                f"{where}: id {key} was answered already in line {found[key][0]}. "
                "Remove one of the two lines."
            )
        found[key] = (number, prediction)
    return [prediction for _, prediction in found.values()]


def _records(file: Path) -> Iterator[tuple[int, Record]]:
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file}, line {number} is not JSON: {error}.") from None
        if not isinstance(record, dict):
            raise DataError(f"{file}, line {number} is not a JSON object.")
        yield number, record


def _prediction(record: Record, where: str) -> Prediction:
    missing = [k for k in ("id", "question_type", "ground_truth", "response") if k not in record]
    if "video" not in record and not ("dataset" in record and "scene_name" in record):
        missing.append("video (or dataset and scene_name)")
    if missing:
        raise DataError(f"{where}: a prediction needs {', '.join(missing)}.")
    question = _question(record, where)
    return Prediction(
        question=question,
        answer=Answer(
            question_id=question.id,
            response=_text(record["response"], "response", where),
            error=_text(record.get("error"), "error", where),
            stop=_text(record.get("stop"), "stop", where),
            prompt_tokens=record.get("prompt_tokens"),
            new_tokens=record.get("new_tokens"),
            seconds=record.get("seconds"),
        ),
    )


def _question(record: Record, where: str) -> Question:
    task = record["question_type"]
    if not isinstance(task, str) or task not in TASK_OF_TYPE:
        known = ", ".join(QUESTION_TYPES)
        raise DataError(f"{where}: question_type {task!r} is none of {known}.")
    video = record.get("video") or f"{record.get('dataset')}/{record.get('scene_name')}"
    return Question(
        id=str(record["id"]),
        video=str(video),
        task=task,
        text=str(record.get("question") or ""),
        answer=_truth(task, record["ground_truth"], where),
        options=tuple(str(option) for option in record.get("options") or ()),
    )


def _truth(task: str, value: Any, where: str) -> str:
    truth = str(value).strip()
    if TASK_OF_TYPE[task].kind == NUMERIC:
        try:
            good = math.isfinite(float(truth)) and float(truth) > 0
        except ValueError:
            good = False
        wanted = "a positive number"
    else:
        good = len(truth) == 1 and truth.isalpha()
        wanted = "an option's letter"
    if not good:
        raise DataError(
            f"{where}: the ground truth of a {task} question is {wanted}, not {value!r}."
        )
    return truth


def _text(value: Any, name: str, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise DataError(f"{where}: {name} must be a text or null, not {type(value).__name__}.")
