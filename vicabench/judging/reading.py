"""What a judge replied, read strictly: three numbers in a JSON object, or nothing."""

from __future__ import annotations

import json
from typing import Any

from vicabench.harnesses.reading.thoughts import reasoned
from vicabench.judging.prompt import CRITERIA, HIGHEST, LOWEST

FENCE = "```"
SHOWN = 80


class NoJudgementError(Exception):
    """A reply that is none of what was asked for; the text says what is wrong with it."""


def scores_in(reply: str) -> dict[str, float]:
    """The score of every criterion, in [0, 10].

    The object may stand in a code fence, and thoughts of the judge before it are cut off. Anything
    else is a NoJudgementError: another text around it, a name that is missing, twice or unknown, a
    value that is no number or out of range. Nothing is ever clamped or guessed.
    """
    text = reasoned(reply).rest
    try:
        found = json.loads(_unfenced(text), object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise NoJudgementError(f"the reply is not the JSON asked for: {text[:SHOWN]!r}") from None
    if not isinstance(found, dict) or found.keys() != CRITERIA.keys():
        raise NoJudgementError(f"the reply does not score {', '.join(CRITERIA)}: {text[:SHOWN]!r}")
    return {name: _score(name, found[name]) for name in CRITERIA}


def _unfenced(text: str) -> str:
    """What stands in a code fence that is all of the text; else the text."""
    if len(text) > 2 * len(FENCE) and text.startswith(FENCE) and text.endswith(FENCE):
        return text.removeprefix(FENCE).removesuffix(FENCE).removeprefix("json")
    return text


def _score(name: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not LOWEST <= value <= HIGHEST:
        raise NoJudgementError(f"{name} is {str(value)[:SHOWN]}, not in [{LOWEST}, {HIGHEST}]")
    return float(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no score")
