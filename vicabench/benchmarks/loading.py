"""Parsing and validation of the rows of a questions file."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from vica import parquet

from vicabench.benchmarks.answers import right_answers
from vicabench.benchmarks.choices import spelled
from vicabench.benchmarks.paths import stays_inside
from vicabench.errors import DataError, counted, is_unicode
from vicabench.metrics import CHOICE
from vicabench.rubric import VSI, Rubric, Task
from vicabench.types import Question

ROWS, VALUES = 1_000_000, 20_000_000
LARGEST = 256 << 20
"""Maximum bytes of all columns uncompressed, and of all texts.

VSI-Bench has 5,130 rows and some two megabytes.
"""


def read_rows(path: Path) -> Iterator[tuple[str, object]]:
    """Yield `("row 3", row)` for every row; rows are counted from one.

    Raises:
        DataError: If the file is not valid parquet, or exceeds the size limits.
    """
    import pyarrow  # noqa: PLC0415  (a second of loading, for this module alone)

    try:
        rows = list(_rows(path))
    except (OSError, ValueError, OverflowError, pyarrow.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read as parquet ({_first_line(error)}). Delete it and fetch or "
            "copy it again."
        ) from None
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row


def _rows(path: Path) -> Iterator[object]:
    with parquet.opened(path) as file:
        metadata = file.metadata
        _refuse(path, metadata.num_rows > ROWS, counted(metadata.num_rows, "row"), f"{ROWS:,}")
        groups = [parquet.stated(metadata, number) for number in range(metadata.num_row_groups)]
        values = sum(values for values, _ in groups)
        _refuse(path, values > VALUES, counted(values, "value"), f"{VALUES:,}")
        _check_size(path, sum(size for _, size in groups))
        size = 0
        for batch in parquet.batches(file):
            size += parquet.size_of(batch)
            _check_size(path, size)
            yield from batch.to_pylist()


def _check_size(path: Path, size: int) -> None:
    _refuse(path, size > LARGEST, counted(size, "byte"), f"{LARGEST:,}")


def _refuse(path: Path, wrong: bool, what: str, most: str) -> None:
    if wrong:
        raise DataError(f"{path} is refused: it holds {what}, and no questions have over {most}.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


Row = Mapping[str, Any]
LONGEST, LONGEST_OPTION = 100_000, 10_000
"""Maximum characters of a text and of an option; VSI-Bench has some hundred at most."""


def read_records(
    source: str,
    rows: Iterable[tuple[str, object]],
    rubric: Rubric = VSI,
    index_from: int | None = None,
) -> tuple[Question, ...]:
    """Read `(place, row)` pairs, `place` being `line 3` or `row 3`, into questions, in order.

    Rows of VSI-Bench's rubric are spelled as VSI-Bench spells them; of any other, options and
    ground truths may be spelled as `choices.spelled` and `answers.right_answers` read them, with
    options named by an index that counts from `index_from`, if given.

    Raises:
        DataError: For an invalid row or a duplicate id, naming `source` and the place.
    """
    questions: list[Question] = []
    places: dict[str, str] = {}
    for place, row in rows:
        try:
            question = question_of(row, rubric, index_from)
        except DataError as error:
            raise DataError(f"{source}, {place}: {error}") from None
        if question.id in places:
            raise DataError(
                f"{source}, {place}: the id {question.id!r} is taken by {places[question.id]}. "
                "Every question needs a unique id."
            )
        places[question.id] = place
        questions.append(question)
    return tuple(questions)


def question_of(row: object, rubric: Rubric = VSI, index_from: int | None = None) -> Question:
    """Parse one row into a question; DataError if it is invalid."""
    if isinstance(row, DataError):  # a line that could not be read
        raise row
    if not isinstance(row, Mapping):
        raise DataError(f"expected an object with keys and values, found {_shown(row)}.")
    kind = _question_type(row, rubric)
    task = rubric.of_type[kind]
    if rubric == VSI:
        options = _options(row, kind)
        answers: tuple[str, ...] = (_choice(row, options) if options else _number(row),)
    else:
        options = _any_options(row, task)
        truth = _required(row, "ground_truth")
        answers = right_answers(truth, task, options, first_index=index_from)
    return Question(
        id=_id(row),
        video=_video(row),
        task=kind,
        text=_text(row, "question"),
        answer=answers[0],
        options=options,
        accepted=answers[1:],
        group=_optional(row, "group"),
        scene=_optional(row, "scene"),
    )


def _any_options(row: Row, task: Task) -> tuple[str, ...]:
    """The options in any spelling, which only a choice has."""
    options = spelled(row.get("options"))
    if task.kind != CHOICE and options:
        raise DataError(
            f"{task.name} is {task.kind} and takes no options, found {_shown(options)}."
        )
    if task.kind == CHOICE and len(options) < 2:
        raise DataError(f"{task.name} needs two or more options, found {_shown(options)}.")
    return _checked_options(options)


def _optional(row: Row, key: str) -> str:
    return "" if row.get(key) is None else _name(row, key)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _required(row: Row, key: str) -> object:
    if row.get(key) is None:
        raise DataError(f"the key {key!r} is missing.")
    return row[key]


def _text(row: Row, key: str) -> str:
    value = _required(row, key)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{key!r} must be a text, found {_shown(value)}.")
    if len(value) > LONGEST:
        raise DataError(f"{key!r} has {counted(len(value), 'character')}, more than {LONGEST:,}.")
    return _encodable(key, value)


def _id(row: Row) -> str:
    return _name(row, "id")


def _name(row: Row, key: str) -> str:
    """Return a text or whole number as text, as ids and scene names may be either."""
    value = _required(row, key)
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise DataError(f"{key!r} must be a text or a whole number, found {_shown(value)}.")
    return _encodable(key, str(value))


def _encodable(key: str, text: str) -> str:
    """The text, which a tokenizer and a server can be given; JSON can spell others."""
    if not is_unicode(text):
        raise DataError(
            f"{key!r} holds half of a surrogate pair, which is not a character: {_shown(text)}. "
            "Write the whole character, or leave the half out."
        )
    return text


def _video(row: Row) -> str:
    if row.get("video") is not None:
        name = _text(row, "video")
    elif row.get("dataset") is None and row.get("scene_name") is None:
        raise DataError("the key 'video' is missing (or 'dataset' and 'scene_name').")
    else:
        name = f"{_name(row, 'dataset')}/{_name(row, 'scene_name')}"
    name = re.sub(r"^(\./+)+", "", name)  # `./a.mp4` is `a.mp4`
    if not stays_inside(name):
        raise DataError(
            f"the video {_shown(name)} is not a path below the videos folder. Give it relative "
            "to that folder, with '/' between its parts and without '..', ':' or '\\'."
        )
    return name


def _question_type(row: Row, rubric: Rubric) -> str:
    value = _required(row, "question_type")
    if not isinstance(value, str) or value not in rubric.of_type:
        raise DataError(
            f"the question_type {_shown(value)} is unknown. It must be one of "
            f"{', '.join(rubric.types)}."
        )
    return value


def _options(row: Row, task: str) -> tuple[str, ...]:
    """Return the options, checked to fit the question type and to read `A. ...`, `B. ...`."""
    options = row.get("options") or ()
    is_choice = VSI.of_type[task].kind == CHOICE
    if options and not is_choice:
        raise DataError(f"{task} asks for a number and takes no options, found {_shown(options)}.")
    if not is_choice:
        return ()
    if not isinstance(options, (list, tuple)) or len(options) < 2:
        raise DataError(f"{task} needs a list of two or more options, found {_shown(options)}.")
    for letter, option in zip(string.ascii_uppercase, options, strict=False):
        start = f"{letter}."
        if not isinstance(option, str) or not option.startswith(start):
            raise DataError(
                f"options are spelled 'A. ...', 'B. ...' in order: expected one that begins "
                f"with {start!r}, found {_shown(option)}."
            )
    return _checked_options(options)


def _checked_options(options: Sequence[str]) -> tuple[str, ...]:
    if (longest := max(map(len, options), default=0)) > LONGEST_OPTION:
        raise DataError(
            f"an option has {counted(longest, 'character')}, more than {LONGEST_OPTION:,}."
        )
    if len(options) > len(string.ascii_uppercase):
        raise DataError(f"{counted(len(options), 'option')}, more than there are letters.")
    return tuple(_encodable("options", option) for option in options)


def _choice(row: Row, options: tuple[str, ...]) -> str:
    value = _required(row, "ground_truth")
    letters = string.ascii_uppercase[: len(options)]
    if not isinstance(value, str) or len(value) != 1 or value not in letters:
        raise DataError(
            f"the ground_truth must be the letter of an option, {letters[0]} to {letters[-1]}, "
            f"found {_shown(value)}."
        )
    return value


def _number(row: Row) -> str:
    """Return the ground truth as spelled, checked to be a positive, finite number."""
    value = _required(row, "ground_truth")
    number = math.nan
    # Decimal numbers are a kind that parquet has; bytes would be a number to `float`, too.
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise DataError(
            f"the ground_truth must be a positive, finite number, found {_shown(value)}."
        )
    return str(value).strip()
