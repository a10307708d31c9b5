"""JSON in a reply, whole, cut short or in Python's spelling: the field that holds the answer."""

from __future__ import annotations

import re

from vicabench.grading.marks import CLOSE, OPEN
from vicabench.grading.units import is_unit

LONGEST = 20_000
"""Characters of a reply in which JSON is looked for: an answer in JSON is short."""

_OBJECT = re.compile(r"\{\s*[\"']\s?\w[^\"'\n]{0,60}[\"']\s*:")
_STRINGS = (r'"(?:[^"\\]|\\.)*+"', r"'(?:[^'\\]|\\.)*+'")
_PAIR = re.compile(
    rf"[\"']([^\"'\n]{{1,60}})[\"']\s*:\s*({'|'.join(_STRINGS)}|\[[^\[\]{{}}]*+\]|[^\s,\[\]{{}}\"'][^,}}\]\n]*+|\"[^\"]*+$)",
    re.DOTALL,
)
# fmt: off
_ANSWERS = frozenset([
    "answer", "finalanswer", "predictedanswer", "correctanswer", "answerletter", "prediction",
    "predicted", "choice", "finalchoice", "option", "selectedoption", "selected", "correctoption",
    "bestoption", "letter", "response", "result", "output", "final", "conclusion", "solution",
    "value", "estimate", "estimation", "答案",
])
# fmt: on
# fmt: off
_ASIDE = frozenset([
    "reasoning", "reason", "reasons", "explanation", "explain", "thought", "thoughts", "thinking",
    "rationale", "analysis", "confidence", "certainty", "probability", "score", "question",
    "questiontype", "id", "options", "steps", "step", "evidence", "justification", "description",
    "notes", "note", "comment", "summary", "type", "task", "object", "objects", "category",
    "label", "timestamp", "time", "frame", "frames", "start", "end", "method", "unit", "units",
    "margin", "error",
])
# fmt: on
_UNIT_KEYS = ("unit", "units")
_ESCAPES = {"n": "\n", "t": " ", "r": "\n", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


def unwrapped(text: str) -> str:
    """The text with its JSON object replaced by the values that it answers with, marked as such.

    Values take their unit from a field `unit`, or from their name (`distance_m`).
    """
    if len(text) > LONGEST:
        return text
    found = _OBJECT.search(text)
    if found is None:
        return text
    end = text.rfind("}") + 1
    end = end if end > found.start() else len(text)
    said = _answers(text[found.start() : end])
    before = text[: found.start()]
    return f"{before}\n{said}\n{text[end:]}" if said else text


def _answers(text: str) -> str:
    pairs = [(pair[1], _value(pair[2])) for pair in _PAIR.finditer(text)]
    units = {value for key, value in pairs if _bare(key) in _UNIT_KEYS and value}
    said = [(key, value) for key, value in pairs if _bare(key) in _ANSWERS]
    if not said:
        said = [(key, value) for key, value in pairs if _bare(key) not in _ASIDE]
        if len(said) > 1:
            return "\n".join(f"{key}: {_with_unit(key, value, units)}" for key, value in said)
    return "\n".join(f"{OPEN}{_named(key, value, units)}{CLOSE}" for key, value in said)


def _named(key: str, value: str, units: set[str]) -> str:
    letter = len(key) == 1 and key.isalpha()
    return f"{key}: {value}" if letter else _with_unit(key, value, units)


def _with_unit(key: str, value: str, units: set[str]) -> str:
    last = re.split(r"[_\s(-]+", key.rstrip(")"))[-1]
    own = last if is_unit(last) and len(key) > len(last) else ""
    unit = own or (next(iter(units)) if len(units) == 1 else "")
    return f"{value} {unit}" if unit and value[-1:].isdigit() else value


def _bare(key: str) -> str:
    return re.sub(r"[\s_-]+", "", key).lower()


def _value(text: str) -> str:
    if text[:1] in "\"'":
        text = text[1:-1] if text[-1] == text[0] and len(text) > 1 else text[1:]
        return _ESCAPE.sub(_unescaped, text)
    return text.strip()


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1][0] == "u" and len(escape[1]) == 5:
        code = int(escape[1][1:], 16)
        return "" if 0xD800 <= code <= 0xF8FF else chr(code)  # halves, and our marks
    return _ESCAPES.get(escape[1], escape[0])
