"""What the models replied, cut to what a page can carry."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vicabench.harnesses.protocols import Protocol
from vicabench.harnesses.reading.thoughts import reasoned
from vicabench.reporting.page.questions import Asked
from vicabench.reporting.page.visible import visible
from vicabench.results.run import Run
from vicabench.text import counted
from vicabench.types import OUTCOMES, Answer

LIMITS = (8_000, 4_000, 2_000, 1_000, 500, 250)
TEXT = 20_000_000
"""Bytes of replies that a page may carry; the largest of `LIMITS` that keeps to it counts."""

NEVER = "not answered yet"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A reply cut into what is folded away and what is shown."""

    thoughts: str | None
    text: str


def split(answer: Answer) -> Shown:
    """The thoughts of a reply, from its `parts` or by its tags, and the rest.

    Thoughts that no answer follows stay in the text, which shows where the reply broke off.
    """
    text = answer.response or ""
    if answer.parts and "thoughts" in answer.parts:
        return Shown(thoughts=answer.parts["thoughts"], text=text)
    cut = reasoned(text)
    if cut.thoughts is not None and cut.closed:
        return Shown(thoughts=cut.thoughts, text=cut.rest)
    return Shown(thoughts=None, text=text)


def fitting_limit(runs: Sequence[Run], room: int = TEXT) -> int:
    """The most characters of a reply, and of its thoughts, that fit the page."""
    sizes = [(len(text), _bytes(text)) for run in runs for text in _texts(run)]
    for limit in LIMITS:
        if sum(size * min(1.0, limit / (length or 1)) for length, size in sizes) <= room:
            return limit
    return LIMITS[-1]


def shorten(text: str, limit: int) -> str:
    """The beginning and the end of a text that is longer than the limit."""
    if len(text) <= limit:
        return text
    half = limit // 2
    left_out = f"{counted(len(text) - 2 * half, 'character')} left out"
    return f"{text[:half]}\n[… {left_out} …]\n{text[-half:]}"


def reply_columns(run: Run, asked: Asked, limit: int) -> dict[str, Any]:
    """Replies, errors and thoughts by question; `cut` has the full length where it was cut."""
    size = len(asked.questions)
    found: dict[str, Any] = {
        "reply": [None] * size,
        "error": [None] * size,
        "length": [0] * size,
        "thoughts": {},
        "cut": {},
        "facts": {},
    }
    for _, key in _planned(run):
        found["error"][asked.places[key]] = NEVER
    for prediction in run.predictions:
        _add(found, asked.places[prediction.question.id], prediction.answer, limit)
    return found


def graded_columns(run: Run, asked: Asked, protocols: Sequence[Protocol]) -> list[dict[str, Any]]:
    """For each protocol the score, what was read and the outcome; None: not in this run."""
    return [_graded(run, asked, protocol) for protocol in protocols]


def _graded(run: Run, asked: Asked, protocol: Protocol) -> dict[str, Any]:
    size = len(asked.questions)
    scores: list[float | None] = [None] * size
    read: list[str | None] = [None] * size
    outcomes: list[int | None] = [None] * size
    for grade in run.grades(protocol):
        place = asked.places[grade.id]
        scores[place] = int(grade.score) if grade.score in (0, 1) else round(grade.score, 4)
        read[place] = None if grade.read is None else visible(grade.read.removesuffix(".0"))
        outcomes[place] = OUTCOMES.index(grade.outcome)
    return {"score": scores, "read": read, "outcome": outcomes}


def _add(found: dict[str, Any], place: int, answer: Answer, limit: int) -> None:
    shown = split(answer)
    whole = len(answer.response or "") + len((answer.parts or {}).get("thoughts", ""))
    found["error"][place] = None if answer.error is None else visible(shorten(answer.error, limit))
    found["reply"][place] = visible(shorten(shown.text, limit))
    found["length"][place] = whole
    if shown.thoughts is not None:
        found["thoughts"][place] = visible(shorten(shown.thoughts, limit))
    if max(len(shown.text), len(shown.thoughts or "")) > limit:
        found["cut"][place] = whole
    stop = None if answer.stop is None else visible(answer.stop)
    facts = [stop, _finite(answer.new_tokens), _finite(answer.seconds)]
    if facts != [None] * len(facts):
        found["facts"][place] = facts


def _finite(value: float | None) -> float | None:
    """NaN and infinity, which JSON does not have, say as little as nothing."""
    return None if value is None or not math.isfinite(value) else value


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))


def _planned(run: Run) -> Iterator[tuple[str, str]]:
    yield from ((video, key) for video, asked in run.planned.items() for key in asked)


def _texts(run: Run) -> Iterator[str]:
    for prediction in run.predictions:
        shown = split(prediction.answer)
        yield shown.text
        yield shown.thoughts or ""
