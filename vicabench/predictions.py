"""Predictions as lines of JSON: what a run writes, and what `vicabench score` reads from anyone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicabench import files
from vicabench.benchmarks.choices import LETTERS, spelled
from vicabench.benchmarks.descriptions import DESCRIPTION
from vicabench.errors import DataError
from vicabench.types import NUMERIC, QUESTION_TYPES, TASK_OF_TYPE, Answer, Question

Record = Mapping[str, Any]
RUN_FILE = "predictions.jsonl"
LARGEST = 2**53  # of tokens and seconds; also what any JSON reader keeps exactly
BUDGET = "budget"
"""What the error of a question begins with that was not asked, for the budget was spent."""
BOM = b"\xef\xbb\xbf"
TORN = re.compile(rb"(?:\{[ -~]*)?")
"""Of the bytes of a record, which is ASCII without control characters, the first ones."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A question with what was answered to it."""

    question: Question
    answer: Answer

    @property
    def response(self) -> str | None:
        """The text to grade; None for an error, whatever text came with it."""
        return None if self.answer.error is not None else self.answer.response

    @property
    def asked(self) -> bool:
        """False for a question that a spent budget kept from being asked."""
        return not (self.answer.error or "").startswith(f"{BUDGET}:")

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
            **({} if a.parts is None else {"parts": dict(a.parts)}),
            "error": a.error,
            "stop": a.stop,
            "prompt_tokens": a.prompt_tokens,
            "new_tokens": a.new_tokens,
            "seconds": a.seconds,
            **({} if a.usage is None else {"usage": dict(a.usage)}),
        }
        return json.dumps(record, ensure_ascii=True, allow_nan=False)


def read_predictions(file: Path, *, torn_ok: bool = False) -> list[Prediction]:
    """Read a predictions file, in its order, one prediction per id.

    A line needs `id`, `question_type`, `ground_truth`, `response`, and `video` or `dataset` with
    `scene_name`; the rest of what a run writes is optional. A line may replace an earlier one of
    the same id only if that one is an error (it was asked again). With `torn_ok` a last line that
    a killed writer left unfinished is passed over. DataError naming file and line for anything
    else.
    """
    return collected(str(file), "line", _records(file, torn_ok))


def collected(source: str, unit: str, records: Iterable[tuple[int, Record]]) -> list[Prediction]:
    """The predictions in numbered records, one per id; DataError as `read_predictions`.

    `source` and `unit` say in messages where a record is: in a file, line 3.
    """
    found: dict[str, tuple[int, Prediction]] = {}
    for number, record in records:
        where = f"{source}, {unit} {number}"
        prediction = prediction_of(record, where)
        key = prediction.question.id
        if key in found and found[key][1].answer.error is None:
            raise DataError(
                f"{where}: id {key} was answered already in {unit} {found[key][0]}. "
                f"Remove one of the two {unit}s."
            )
        found[key] = (number, prediction)
    return [prediction for _, prediction in found.values()]


def torn_bytes(data: bytes) -> int:
    """How many bytes at the end are a line that a killed writer did not write to its end.

    That is the beginning of a record as `Prediction.to_json` writes it, which a power cut may
    leave with zeros behind it. Anything else is none of it, and 0: it is whole, or damaged.
    """
    last = data[data.rfind(b"\n") + 1 :]
    written = last.rstrip(b"\0")
    if not TORN.fullmatch(written):
        return 0
    try:
        json.JSONDecoder().raw_decode(written.decode())
    except (ValueError, RecursionError):
        return len(last)
    return len(last) if written != last else 0


def _records(file: Path, torn_ok: bool) -> Iterator[tuple[int, Record]]:
    try:
        # A run folder may come from anywhere; any other file was named by the user.
        data = files.read(file) if file.name == RUN_FILE else file.read_bytes()
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror}. Name a run folder, or a file with one "
            "prediction a line."
        ) from None
    if torn_ok:
        data = data[: len(data) - torn_bytes(data)]
    for number, line in enumerate(data.removeprefix(BOM).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{file}, line {number} is not JSON ({error}). Mend or remove that line."
            ) from None
        if not isinstance(record, dict):
            raise DataError(f"{file}, line {number} is not a JSON object.")
        yield number, record


def prediction_of(record: Record, where: str) -> Prediction:
    """The prediction in one record of a file; DataError beginning with `where` for a bad one."""
    missing = [k for k in ("id", "question_type", "ground_truth", "response") if k not in record]
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
            prompt_tokens=_amount(record, "prompt_tokens", where),
            new_tokens=_amount(record, "new_tokens", where),
            seconds=_amount(record, "seconds", where),
            parts=_parts(record.get("parts"), where),
            usage=_usage(record.get("usage"), where),
        ),
    )


def _question(record: Record, where: str) -> Question:
    task = record["question_type"]
    if not isinstance(task, str) or task not in (*TASK_OF_TYPE, DESCRIPTION):
        known = ", ".join(QUESTION_TYPES)
        raise DataError(f"{where}: question_type {task!r} is none of {known}.")
    options = _options(task, record.get("options"), where)
    return Question(
        id=_name(record, "id", where),
        video=_video(record, where),
        task=task,
        text=str(record.get("question") or ""),
        answer=_truth(task, record["ground_truth"], options, where),
        options=options,
    )


def _options(task: str, value: Any, where: str) -> tuple[str, ...]:
    """The options as `A. text` ..., whatever their spelling."""
    if task == DESCRIPTION:
        return ()
    try:
        options = spelled(value)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if options and TASK_OF_TYPE[task].kind == NUMERIC:
        raise DataError(f"{where}: {task} asks for a number and takes no options.")
    if len(options) == 1:
        raise DataError(f"{where}: {task} needs two or more options, not {options[0]!r}.")
    return options


def _video(record: Record, where: str) -> str:
    if record.get("video") is not None:
        return _name(record, "video", where)
    if record.get("dataset") is None or record.get("scene_name") is None:
        raise DataError(
            f"{where}: a prediction needs its video, or dataset and scene_name: intervals are "
            "computed over videos."
        )
    return f"{_name(record, 'dataset', where)}/{_name(record, 'scene_name', where)}"


def _name(record: Record, key: str, where: str) -> str:
    """A text or a whole number as text: ids and scene names come as both."""
    value = record[key]
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise DataError(f"{where}: {key} must be a text or a whole number, not {value!r}.")
    return str(value)


def _truth(task: str, value: Any, options: tuple[str, ...], where: str) -> str:
    truth = str(value).strip()
    if task == DESCRIPTION:
        return ""
    if TASK_OF_TYPE[task].kind == NUMERIC:
        try:
            good = math.isfinite(float(truth)) and float(truth) > 0
        except ValueError:
            good = False
        wanted = "a positive number"
    else:
        letters = LETTERS[: len(options)] or LETTERS
        good = len(truth) == 1 and truth.upper() in letters
        wanted = f"an option's letter, {letters[0]} to {letters[-1]}"
    if not good:
        raise DataError(
            f"{where}: the ground truth of a question of type {task} is {wanted}, not {value!r}."
        )
    return truth


def _amount(record: Record, key: str, where: str) -> Any:
    value = record.get(key)
    if value is None or (type(value) in (int, float) and 0 <= value <= LARGEST):
        return value
    raise DataError(f"{where}: {key} must be a number from 0 on, or null, not {str(value)[:60]}.")


def _parts(value: Any, where: str) -> dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, dict) and all(isinstance(part, str) for part in value.values()):
        return value
    raise DataError(f"{where}: parts must be an object of texts, or left out.")


def _usage(value: Any, where: str) -> dict[str, str | float] | None:
    if value is None:
        return None
    if isinstance(value, dict) and all(map(_is_plain, value.values())):
        return value
    raise DataError(f"{where}: usage must be an object of texts and finite numbers, or left out.")


def _is_plain(value: Any) -> bool:
    return type(value) in {str, int} or (type(value) is float and math.isfinite(value))


def _text(value: Any, name: str, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise DataError(f"{where}: {name} must be a text or null, not {type(value).__name__}.")
