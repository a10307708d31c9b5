"""An adapter's answer, made into a record that can be kept: adapters may return anything."""

from __future__ import annotations

import math
import operator
from typing import Any, TypeVar

from vicabench.results.predictions import LARGEST
from vicabench.types import Answer

Number = TypeVar("Number", int, float)


def checked(answer: Answer) -> Answer:
    """The answer with plain Python values, or an error record that says what is wrong with it."""
    if answer.error is None and not isinstance(answer.response, str):
        kind = type(answer.response).__name__
        return _refused(answer, f"the response is {kind}, not a text")
    try:
        return Answer(
            question_id=answer.question_id,
            response=answer.response if isinstance(answer.response, str) else None,
            seconds=_seconds(answer.seconds),
            prompt_tokens=_count(answer.prompt_tokens),
            new_tokens=_count(answer.new_tokens),
            stop=None if answer.stop is None else str(answer.stop),
            parts=_parts(answer.parts),
            usage=_usage(answer.usage),
            error=None if answer.error is None else str(answer.error) or "unnamed",
        )
    except (TypeError, ValueError, OverflowError) as error:
        return _refused(answer, f"a field of its answer cannot be kept: {error}")


def described(error: BaseException) -> str:
    """What was raised, in a line: `RuntimeError: out of luck`."""
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"
    except Exception:  # its own text fails; the kind says something
        return kind


def _seconds(value: Any) -> float | None:
    return None if value is None else _kept(_finite(value, "seconds"), "seconds")


def _finite(value: Any, name: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}")
    return number


def _parts(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not all(isinstance(text, str) for item in dict(value).items() for text in item):
        raise TypeError("parts are texts by name")
    return dict(value)


def _usage(value: Any) -> dict[str, str | float] | None:
    if value is None:
        return None
    return {str(name): _plain(each) for name, each in dict(value).items()}


def _plain(value: Any) -> str | float:
    """A text, a whole number or a finite one."""
    if isinstance(value, str):
        return value
    try:
        return operator.index(value)
    except TypeError:
        return _finite(value, "a number of usage")


def _count(value: Any) -> int | None:
    """Whole numbers of any library, NumPy and torch included."""
    return None if value is None else _kept(operator.index(value), "a number of tokens")


def _kept(value: Number, name: str) -> Number:
    """The number, if predictions that have it can be read again."""
    if not 0 <= value <= LARGEST:
        raise ValueError(f"{name} is {value}, not from 0 to {LARGEST}")
    return value


def _refused(answer: Answer, reason: str) -> Answer:
    return Answer(question_id=answer.question_id, error=f"adapter: {reason}")
