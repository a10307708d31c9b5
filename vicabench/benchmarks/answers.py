"""The right answers of a question, in any usual spelling, as a grader compares them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from vicabench.benchmarks.choices import LETTERS, bare_texts
from vicabench.errors import DataError
from vicabench.metrics import CHOICE, FREE, NUMERIC, YES_NO, normalized
from vicabench.rubric import Task

_WITH_UNIT = re.compile(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S.*)?", re.DOTALL)
_WORDS = {"yes": "yes", "no": "no", "true": "yes", "false": "no"}


def right_answers(
    value: Any, task: Task, options: Sequence[str], *, first_index: int | None = None
) -> tuple[str, ...]:
    """The right answers in a ground truth; a list holds several.

    A number may be followed by the unit of the task. An option is named by its letter, by its
    text, or by its index, which counts from `first_index`. Yes and no may be booleans.

    Raises:
        DataError: The value is not an answer of the task's kind, or its metric cannot use it.
    """
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise DataError("the ground truth is an empty list.")
    answers = [_answer(each, task, options, first_index) for each in values]
    return tuple(dict.fromkeys(answers))


def _answer(value: Any, task: Task, options: Sequence[str], first_index: int | None) -> str:
    if task.kind == NUMERIC:
        return _number(value, task)
    if task.kind == YES_NO:
        return _yes_no(value)
    if task.kind == FREE:
        if isinstance(value, str) and value.strip():
            return _gradable(value.strip(), task)
        raise DataError(f"the ground truth must be a text, found {_shown(value)}.")
    return _letter(value, options, first_index)


def _number(value: Any, task: Task) -> str:
    text, number = str(value).strip(), math.nan
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        match = _WITH_UNIT.fullmatch(text)
        if match and match[2] and task.unit and match[2].strip() == task.unit:
            text = match[1]
        with suppress(ValueError, OverflowError):
            number = float(text)
    if not math.isfinite(number):
        unit = f", in {task.unit}" if task.unit else ""
        raise DataError(f"the ground truth must be a finite number{unit}, found {_shown(value)}.")
    return _gradable(text, task)


def _gradable(text: str, task: Task) -> str:
    for metric in (task.scored_by, *task.beside):
        if reason := metric.refuses(text):
            raise DataError(f"the ground truth, {text}, {reason}.")
    return text


def _yes_no(value: Any) -> str:
    word = str(value).strip().lower()
    if word not in _WORDS:
        raise DataError(f"the ground truth must be yes or no, found {_shown(value)}.")
    return _WORDS[word]


def _letter(value: Any, options: Sequence[str], first_index: int | None) -> str:
    letters = LETTERS[: len(options)] or LETTERS
    if first_index is not None:
        index = _index(value)
        if index is None or not first_index <= index < first_index + len(options):
            raise DataError(
                f"the ground truth must be the index of an option, {first_index} to "
                f"{first_index + len(options) - 1}, found {_shown(value)}."
            )
        return letters[index - first_index]
    text = str(value).strip()
    texts = [normalized(option) for option in bare_texts(options)]
    named = {letters[i] for i, option in enumerate(texts) if option == normalized(text)}
    if len(text) == 1 and text.upper() in letters:
        named.add(text.upper())
    elif text in options:
        named = {letters[list(options).index(text)]}
    if len(named) != 1:
        what = "names more than one option" if named else "is not an option"
        raise DataError(
            f"the ground truth must be an option's letter, {letters[0]} to {letters[-1]}, or its "
            f"text: {_shown(value)} {what}."
        )
    return named.pop()


def _index(value: Any) -> int | None:
    if type(value) is int:
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,3}", value) else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def takes_options(task: Task) -> bool:
    """Whether questions of the task have options."""
    return task.kind == CHOICE
