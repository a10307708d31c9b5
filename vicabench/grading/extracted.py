"""Our own protocol: what the model evidently meant, blind to the ground truth.

It exists to show how much of a score is formatting; its scores compare with no published ones.
Reasoning is left out; then the answer tag, `\\boxed{}`, or the last final-answer phrase says
where the answer is, else all that is left does. Nothing is read rather than guessed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from vicabench.grading.letters import read_letter
from vicabench.grading.protocols import Protocol
from vicabench.grading.quantities import read_quantity
from vicabench.grading.reasoning import reasoned

T = TypeVar("T")

_ANSWER = re.compile(r"<\s*answer\s*>", re.IGNORECASE)
_END = re.compile(r"<\s*/\s*answer\s*>", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\s*\{")
_PHRASE = re.compile(
    r"\b(?:answer|conclusion|(?:correct|best|right)\s(?:option|choice|letter))\b"
    r"[\s*_`]*+(?:is|would\sbe|should\sbe|[:=])",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"\\(?:text|mathrm|mathbf|textbf|boxed)\b|\\[()\[\],;! ]|[*`$#{}]")


def read_number(reply: str, unit: str) -> float | None:
    """The quantity that the answer states, in the question's unit; a range is its middle."""
    return _first(reply, lambda text: read_quantity(text, unit))


def read_choice(reply: str, options: Sequence[str]) -> str | None:
    """The letter that the answer names, by itself or by the words of its option."""
    return _first(reply, lambda text: read_letter(text, options))


def _first(reply: str, read: Callable[[str], T | None]) -> T | None:
    for place in _places(reasoned(reply).rest):
        found = read(_MARKUP.sub(" ", place).strip())
        if found is not None:
            return found
    return None


def _places(text: str) -> Iterator[str]:
    """Where the answer is: in one marked place, on the two lines after a phrase, or anywhere."""
    tag, boxed, phrase = (_last(pattern, text) for pattern in (_ANSWER, _BOXED, _PHRASE))
    if tag:
        close = _END.search(text, tag.end())
        yield text[tag.end() : close.start() if close else len(text)]
    elif boxed:
        yield _braced(text, boxed.end())
    elif phrase:
        lines = (line for line in text[phrase.end() :].splitlines() if line.strip(" *_`"))
        yield from (line for _, line in zip(range(2), lines, strict=False))
    else:
        yield text


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


def _braced(text: str, start: int) -> str:
    """What stands before the brace that closes the one before `start`."""
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return text[start : brace.start()]
    return text[start:]


PROTOCOL = Protocol(
    name="extracted",
    source="vicabench: what the reply evidently means",
    read_number=read_number,
    read_choice=read_choice,
)
