"""Predictions as lines of JSON: written by runs, read from anyone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicabench import files
from vicabench.benchmarks.answers import right_answers
from vicabench.benchmarks.choices import LETTERS, spelled
from vicabench.benchmarks.descriptions import DESCRIPTION
from vicabench.errors import DataError
from vicabench.metrics import CHOICE, NUMERIC, YES_NO
from vicabench.rubric import VSI, Rubric, Task
from vicabench.types import Answer, Question

Record = Mapping[str, Any]
RUN_FILE = "predictions.jsonl"
LARGEST = 2**53  # tokens or seconds; the largest integer that every JSON reader keeps exactly
REPEAT = "repeat"
BUDGET = "budget"
"""The prefix of the error of a question that was not asked because the budget was spent."""
BOM = b"\xef\xbb\xbf"
TORN = re.compile(rb"(?:\{[ -~]*)?")
"""The beginning of a record, which is ASCII without control characters."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A question with its answer."""

    question: Question
    answer: Answer

    @property
    def response(self) -> str | None:
        """The text to grade; None for an error, even if text came with it."""
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
            "ground_truth": list(q.answers) if q.accepted else q.answer,
            **({"group": q.group} if q.group else {}),
            **({"scene": q.scene} if q.scene else {}),
            **({"repeat": q.repeat} if q.repeat else {}),
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


def read_predictions(
    file: Path, *, torn_ok: bool = False, rubric: Rubric = VSI
) -> list[Prediction]:
    """Read a predictions file, in its order, one prediction per id and repeat.

    A line needs `id`, `question_type`, `ground_truth`, `response`, and `video` or `dataset` with
    `scene_name`; the rest of what a run writes is optional, such as `repeat`, which tells several
    replies to a question apart. A line may replace an earlier line of the same id and repeat only
    if that is an error (the question was asked a second time).

    Args:
        file: The file to read.
        torn_ok: Whether to skip a last line that a killed writer left unfinished.
        rubric: The tasks of the questions.

    Raises:
        DataError: The file is unreadable or a line is malformed; the message names both.
    """
    return collected(str(file), "line", _records(file, torn_ok), rubric)


def collected(
    source: str, unit: str, records: Iterable[tuple[int, Record]], rubric: Rubric = VSI
) -> list[Prediction]:
    """The predictions in numbered records; raises DataError as `read_predictions`.

    `source` and `unit` locate a record in messages: "FILE, line 3".
    """
    by_key: dict[tuple[str, int], tuple[int, Prediction]] = {}
    for number, record in records:
        where = f"{source}, {unit} {number}"
        prediction = prediction_of(record, where, rubric)
        key = prediction.question.key
        if key in by_key and by_key[key][1].answer.error is None:
            again = f" ({REPEAT} {key[1]})" if key[1] else ""
            raise DataError(
                f"{where}: id {key[0]}{again} was already answered in {unit} {by_key[key][0]}. "
                f"Remove one of the two {unit}s."
            )
        by_key[key] = (number, prediction)
    return [prediction for _, prediction in by_key.values()]


def torn_bytes(data: bytes) -> int:
    """The size in bytes of an unfinished last line that a killed writer left; 0 if there is none.

    Such a line is the beginning of a record as `Prediction.to_json` writes it, followed by zeros
    after some power cuts. Any other last line is complete or damaged, and not counted.
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
        # A run folder may come from anywhere, so links and pipes in it are refused; any other
        # file was named by the user.
        data = files.read(file) if file.name == RUN_FILE else file.read_bytes()
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror}. Give a run folder, or a file with one "
            "prediction per line."
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
                f"{file}, line {number} is not JSON ({error}). Fix or remove that line."
            ) from None
        if not isinstance(record, dict):
            raise DataError(f"{file}, line {number} is not a JSON object.")
        yield number, record


def prediction_of(record: Record, where: str, rubric: Rubric = VSI) -> Prediction:
    """The prediction in one record; raises DataError, beginning with `where`, for a bad record."""
    missing = [k for k in ("id", "question_type", "ground_truth", "response") if k not in record]
    if missing:
        raise DataError(f"{where}: a prediction needs {', '.join(missing)}.")
    question = _question(record, where, rubric)
    return Prediction(
        question=question,
        answer=Answer(
            question_id=question.id,
            repeat=question.repeat,
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


def _question(record: Record, where: str, rubric: Rubric) -> Question:
    kind = record["question_type"]
    if not isinstance(kind, str) or kind not in (*rubric.types, DESCRIPTION):
        known = ", ".join(rubric.types)
        raise DataError(f"{where}: question_type {kind!r} is unknown. Known types: {known}.")
    task = rubric.of_type.get(kind)
    options = _options(kind, task, record.get("options"), where) if task else ()
    truths = _truths(kind, task, record["ground_truth"], options, where) if task else ("",)
    answer, *accepted = truths
    return Question(
        id=_name(record, "id", where),
        video=_video(record, where),
        task=kind,
        text=str(record.get("question") or ""),
        answer=answer,
        options=options,
        accepted=tuple(accepted),
        group=_text(record.get("group"), "group", where) or "",
        scene=_text(record.get("scene"), "scene", where) or "",
        repeat=_repeat(record.get(REPEAT), where),
    )


def _repeat(value: Any, where: str) -> int:
    if value is None:
        return 0
    if type(value) is int and 0 <= value <= LARGEST:
        return value
    raise DataError(
        f"{where}: repeat must be a whole number from 0 on, or left out, not {str(value)[:60]}."
    )


def _options(kind: str, task: Task, value: Any, where: str) -> tuple[str, ...]:
    """The options, in any spelling, as `A. text` ..."""
    try:
        options = spelled(value)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if options and task.kind != CHOICE:
        asked = {NUMERIC: "a number", YES_NO: "yes or no"}.get(task.kind, "a text")
        raise DataError(f"{where}: {kind} asks for {asked} and takes no options.")
    if len(options) == 1:
        raise DataError(f"{where}: {kind} needs two or more options, not {options[0]!r}.")
    return options


def _video(record: Record, where: str) -> str:
    if record.get("video") is not None:
        return _name(record, "video", where)
    if record.get("dataset") is None or record.get("scene_name") is None:
        raise DataError(
            f"{where}: a prediction needs video, or dataset and scene_name, because intervals "
            "are computed over videos."
        )
    return f"{_name(record, 'dataset', where)}/{_name(record, 'scene_name', where)}"


def _name(record: Record, key: str, where: str) -> str:
    """A string or an integer as text: ids and scene names occur as both."""
    value = record[key]
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise DataError(f"{where}: {key} must be a string or an integer, not {value!r}.")
    return str(value)


def _truths(
    kind: str, task: Task, value: Any, options: tuple[str, ...], where: str
) -> tuple[str, ...]:
    """The right answers; of VSI-Bench's tasks a single one, as the released code grades it."""
    if task in VSI.tasks:
        return (_vsi_truth(kind, task, value, options, where),)
    try:
        return right_answers(value, task, options)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _vsi_truth(kind: str, task: Task, value: Any, options: tuple[str, ...], where: str) -> str:
    truth = str(value).strip()
    if task.kind == NUMERIC:
        try:
            valid = math.isfinite(float(truth)) and float(truth) > 0
        except ValueError:
            valid = False
        expected = "a positive number"
    else:
        letters = LETTERS[: len(options)] or LETTERS
        valid = len(truth) == 1 and truth.upper() in letters
        expected = f"an option's letter, {letters[0]} to {letters[-1]}"
    if not valid:
        raise DataError(
            f"{where}: the ground truth of a question of type {kind} is {expected}, not {value!r}."
        )
    return truth


def _amount(record: Record, key: str, where: str) -> Any:
    value = record.get(key)
    if value is None or (type(value) in (int, float) and 0 <= value <= LARGEST):
        return value
    raise DataError(
        f"{where}: {key} must be a number of at least 0, or null, not {str(value)[:60]}."
    )


def _parts(value: Any, where: str) -> dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, dict) and all(isinstance(part, str) for part in value.values()):
        return value
    raise DataError(f"{where}: parts must be an object with string values, or left out.")


def _usage(value: Any, where: str) -> dict[str, str | float] | None:
    if value is None:
        return None
    if isinstance(value, dict) and all(map(_is_plain, value.values())):
        return value
    raise DataError(
        f"{where}: usage must be an object with string or finite number values, or left out."
    )


def _is_plain(value: Any) -> bool:
    return type(value) in {str, int} or (type(value) is float and math.isfinite(value))


def _text(value: Any, name: str, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise DataError(f"{where}: {name} must be a string or null, not {type(value).__name__}.")
