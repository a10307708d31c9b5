"""Normalisation of the options of a question to `A. text`, `B. text` ..."""

from __future__ import annotations

import ast
import json
import math
import re
import string
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vicabench.errors import DataError, counted

LETTERS = string.ascii_uppercase
LONGEST = 10_000
"""Maximum number of characters of a text that is parsed as a list of options."""
LARGEST = 2**53
"""Of an option that is a number; also false for NaN."""

_ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
"""Full-width letters and marks with their ASCII equivalents."""
_LABEL = re.compile(
    r"\s*+[*_]*+(?:(?:option|choice)[\s_]++)?[(\[{]?\s*+([A-Z])\s*+"
    r"(?:[)\]}.:、。]++|-(?=\s)|\Z)[*_]*+\s*+",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\s*+[(\[]?(\d{1,2})[)\].:]++(?:\s++|\Z)")
_STRING = re.compile(r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\"", re.DOTALL)
_BETWEEN = re.compile(r"[\s,]*+")
_ARRAY = re.compile(r"\s*+(?:np\.|numpy\.)?array\(|,?\s*+dtype=[\w.<'\"]++|\)\s*+\Z")
_LABELS = ("label", "letter", "key", "id", "index")
_TEXTS = ("text", "value", "content", "option", "answer")


def spelled(options: Any) -> tuple[str, ...]:
    """Return the options as `A. text`, `B. text` ... in order; none for None, NaN, "" and [].

    The letter of an option is its label or, if no option has one, its position. Accepted are
    lists of texts (`A. text`, ` A. text`, `(A) text`, `a)`, `A: text`, `1. text`, bare texts) or
    of labelled records; objects by letter, as Arrow structs are read; a list of labels beside
    one of texts; and all of these as one text printed by Python, JSON or numpy, or one per line.

    Raises:
        DataError: If the letters of the options are ambiguous.
    """
    if _is_nothing(options):
        return ()
    if isinstance(options, str):
        options = listed(options)
    texts = _of_object(options) if isinstance(options, Mapping) else _of_list(options)
    if len(texts) > len(LETTERS):
        raise DataError(f"{counted(len(texts), 'option')}, more than there are letters.")
    if all(text.startswith(f"{letter}.") for letter, text in _lettered(texts)):
        return tuple(texts)
    bare = _without_labels(texts)
    return tuple(f"{letter}. {text}".rstrip() for letter, text in _lettered(bare))


def listed(text: str) -> Any:
    """Parse a text as a list or an object, or split its lines; DataError otherwise."""
    if len(text) <= LONGEST:
        for read in (_printed_texts, json.loads, ast.literal_eval):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # about escapes in what others wrote
                    parsed = read(text)
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                continue
            if isinstance(parsed, (list, tuple, dict)):
                return parsed
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and not text.lstrip().startswith(("[", "{", "(")):
            return lines
    raise DataError(f"the options must be a list, not {_shown(text)}.")


def bare_texts(options: Sequence[str]) -> tuple[str, ...]:
    """Return the texts of options spelled `A. text`, without their letters."""
    return tuple(option.partition(".")[2].strip() for option in options)


def _lettered(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(LETTERS, texts, strict=False)


def _is_nothing(value: Any) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, (str, list, tuple, Mapping)) and not len(value))


def _printed_texts(text: str) -> list[str]:
    """Parse a list of strings as printed by Python or numpy, which omits the commas.

    Python would join them to one; ValueError for anything else.
    """
    inner = _ARRAY.sub("", text).strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        raise ValueError("not a list")
    texts, place, end = [], _BETWEEN.match(inner, 1), len(inner) - 1
    while place is not None and place.end() < end:
        piece = _STRING.match(inner, place.end())
        if piece is None:
            raise ValueError("not a list of strings")
        texts.append(str(ast.literal_eval(piece[0])))
        place = _BETWEEN.match(inner, piece.end())
    return texts


def _of_object(options: Mapping[Any, Any]) -> list[str]:
    """The texts of `{"A": "left", "B": "right"}`, or of `{"label": [...], "text": [...]}`."""
    labels, texts = (_first_of(options, names) for names in (_LABELS, _TEXTS))
    if isinstance(labels, (list, tuple)) and isinstance(texts, (list, tuple)):
        if len(labels) != len(texts):
            what = f"{counted(len(labels), 'label')} and {counted(len(texts), 'option')}"
            raise DataError(f"{what} do not go together.")
        return _of_list(list(zip(labels, texts, strict=True)))
    given = [(key, value) for key, value in options.items() if not _is_nothing(value)]
    # A struct of Arrow has a column for every letter that any question has.
    return _of_list(sorted(given, key=lambda pair: (len(str(pair[0])), str(pair[0]).upper())))


def _first_of(record: Mapping[Any, Any], names: Sequence[str]) -> Any:
    return next((record[name] for name in names if name in record), None)


def _of_list(options: Any) -> list[str]:
    if not isinstance(options, (list, tuple)):
        raise DataError(f"the options must be a list, not {_shown(options)}.")
    return [_text_of(option) for option in options]


def _text_of(option: Any) -> str:
    """One option, prefixed by its label if it has one."""
    label = None
    if isinstance(option, Mapping):
        label, text = (_first_of(option, names) for names in (_LABELS, _TEXTS))
        if text is None and len(option) == 1:
            label, text = next(iter(option.items()))
    elif isinstance(option, (list, tuple)) and len(option) == 2:
        label, text = option
    else:
        text = option
    if isinstance(text, (int, float)) and not isinstance(text, bool) and abs(text) < LARGEST:
        text = str(text)
    if not isinstance(text, str):
        raise DataError(f"an option must be a text, not {_shown(option)}.")
    return text if label is None else f"{_mark_of(label)}. {text}"


def _mark_of(label: Any) -> str:
    """The label of an option in a record or object, as a letter or a whole number."""
    mark = None if isinstance(label, bool) else _label_of(str(label)[:LONGEST])
    if mark and not mark[1]:
        return mark[0]
    if str(label)[:4].strip().isdecimal():
        return str(label)[:4].strip()
    raise DataError(f"the label of an option must be its letter, not {_shown(label)}.")


def _label_of(option: str) -> tuple[str, str] | None:
    """Split an option into its letter and text; the letter is None for a bare text."""
    match = _LABEL.match(option.translate(_ASCII))
    return (match[1].upper(), option[match.end() :].strip()) if match else None


def _without_labels(options: Sequence[str]) -> list[str]:
    """The texts of options that are either all labelled in order or all unlabelled."""
    known = LETTERS[: len(options)]
    labels = [_label_of(option) for option in options]
    known_labels = [label for label in labels if label and label[0] in known]
    if not known_labels:
        return _without_numbers(options)
    if [letter for letter, _ in known_labels] != list(known):
        raise DataError(
            f"the letters of the options must be {known[0]} to {known[-1]}, in order, or left "
            f"out: found {_shown(list(options))}."
        )
    return [text for _, text in known_labels]


def _without_numbers(options: Sequence[str]) -> list[str]:
    matches = [_NUMBER.match(option.translate(_ASCII)) for option in options]
    labels = [label for label in matches if label]
    numbers = [int(label[1]) for label in labels]
    if sorted(numbers) not in (list(range(len(options))), list(range(1, len(options) + 1))):
        return [option.strip() for option in options]
    if numbers != sorted(numbers):
        raise DataError(f"the numbers of the options are out of order: {_shown(list(options))}.")
    ends = [label.end() for label in labels]
    return [option[end:].strip() for option, end in zip(options, ends, strict=True)]


def _shown(value: Any) -> str:
    try:
        return repr(value)[:80]
    except ValueError:  # Python reads longer numbers than it writes
        return type(value).__name__
