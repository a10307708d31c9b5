"""SpaceR: how its own evaluation asks and grades (arXiv 2504.01805).

Source: github OuyangKun10/SpaceR @b623af5, SpaceR-Eval, in its mode with thoughts. The first
`<answer>` of a reply counts, else all of it. A number word anywhere counts before any digits, in
the order of a list that ends with `a` and `an` for 1; signs are not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from vicabench.harnesses.presets import LETTER, OTHER, QWEN2_5, Asks, Preset
from vicabench.harnesses.protocols import Protocol
from vicabench.harnesses.reading.numbers import NUMBER_WORDS
from vicabench.metrics import CHOICE, NUMERIC
from vicabench.wording import Wording

_OPEN, _CLOSE = "<answer>", "</answer>"
WORDS = {
    **{word: value for word, value in NUMBER_WORDS.items() if 0 < value < 100},
    "zero": 0,
    "a": 1,
    "an": 1,
}
"""The words in the order in which they are looked for, and their values."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WORD = re.compile(r"\b(?:" + "|".join(sorted(WORDS, key=len, reverse=True)) + r")\b")
_LETTER = re.compile(r"([A-D])\.?")


def answer_in(reply: str) -> str | None:
    """The first `<answer>`, stripped; the reply if it has none; None if that is never closed."""
    start = reply.find(_OPEN)
    if start < 0:
        return reply
    end = reply.find(_CLOSE, start + len(_OPEN))
    return None if end < 0 else reply[start + len(_OPEN) : end].strip()


def read_number(reply: str, _unit: str) -> float | None:
    """The first word of the list that occurs, else the first number in digits, without its sign."""
    answer = answer_in(reply)
    if answer is None:
        return None
    text = answer.strip().lower()
    words = set(_WORD.findall(text))
    if words:
        return float(next(value for word, value in WORDS.items() if word in words))
    digits = _NUMBER.search(text)
    return float(digits[0]) if digits else None


def read_choice(reply: str, _options: Sequence[str]) -> str | None:
    """The first word if it is one of A to D, or the whole answer if it is one letter."""
    answer = answer_in(reply)
    if answer is None:
        return None
    answer = answer.replace("Answer:", "")
    first = _LETTER.fullmatch(answer.split(" ")[0].strip())
    whole = answer.strip()
    if first:
        return first[1]
    return whole if len(whole) == 1 and whole.isalpha() else None


PROTOCOL = Protocol(
    name="spacer@b623af5",
    source="SpaceR @b623af5, SpaceR-Eval with thoughts (arXiv 2504.01805)",
    read_number=read_number,
    read_choice=read_choice,
)
VERSIONS = {"b623af5": PROTOCOL}


SOURCE = (
    "github OuyangKun10/SpaceR @b623af5: SpaceR-Eval/evaluate.py, SpaceR-Eval/util.py, "
    "SpaceR-Eval/data_utils"
)
OPTIONS = "Options:\n{options}"
VALUE = "(e.g., 42 or 3.1)"
CATEGORIES = (
    "ceiling light, trash can, bed, heater, closet, pillow, backpack, chair, refrigerator, tv, "
    "nightstand, keyboard, computer tower, coat hanger, table, trash bin, whiteboard, monitor, "
    "sofa, clock, computer mouse, radiator, telephone"
)
# SpaceR's code is for noncommercial use, so its long prompt is not repeated here: this one asks
# for the same tags, the same grid and the same categories in other words.
THINKING = (
    "Question: {question}\n"
    "Take your time: think it over as a person would, and check what you have thought.\n"
    "Where it helps, draw a map of the scene on a 10x10 grid, from all frames together. Give the "
    f"cell in the middle of each object of these categories, and of no others: {CATEGORIES}. "
    "Write the map in <map> </map> tags, as in "
    '<map>{"table": [[0, 3], [5, 7]], "chair": [[9, 3]]}</map>.\n'
    "Write your thoughts in <think> </think> tags, and then your answer in <answer> </answer> "
    "tags.\n"
)
ANSWER = {
    CHOICE: "Put nothing but the letter of your option in the <answer> </answer> tags.",
    NUMERIC: f"Put nothing but a number {VALUE} in the <answer> </answer> tags.",
}
WORDINGS = (
    Wording(
        name="spacer",
        source=SOURCE,
        templates={
            CHOICE: f"Question: {{question}}\n{OPTIONS}\n\n{LETTER}",
            NUMERIC: f"Question: {{question}}\n\n"
            f"Please answer the question using a numerical value {VALUE}.",
        },
    ),
    Wording(
        name="spacer-thinking",
        source=f"{SOURCE}, in other words",
        templates={
            CHOICE: THINKING.replace("{question}", f"{{question}}\n{OPTIONS}") + ANSWER[CHOICE],
            NUMERIC: THINKING + ANSWER[NUMERIC],
        },
    ),
)
REWORDED = (
    "the prompt has the tags of SpaceR's in other words, for its licence: --wording FILE gives "
    "your own copy of it"
)
SIZE = (
    "frames keep their shape: the harness swaps height and width, and squeezes 640x480 to 336x448"
)
SHOWN: Mapping[str, Any] = {
    "fps": 1.0,
    "max_frames": 32,
    "frame_rule": "seconds",
    "frames_as": "video",
    "assume_fps": 2.0,
    "min_pixels": 128 * 28 * 28,
    "max_pixels": 448 * 336,
}


def _preset(version: str, wording: str, max_new_tokens: int, *short: str) -> Preset:
    asks: dict[str, Any] = {
        "wording": wording,
        "generation": {"max_new_tokens": max_new_tokens, "temperature": 0.01},
        "short": (SIZE, *short),
        **SHOWN,
    }
    other = {name: asks[name] for name in ("wording", "generation", "short", "fps", "max_frames")}
    return Preset(
        name="spacer",
        version=version,
        source=SOURCE,
        reading="spacer@b623af5",
        wordings=WORDINGS,
        families={
            QWEN2_5: Asks(**asks),
            OTHER: Asks(**other, frame_rule="seconds", known=False),
        },
    )


PRESETS = (
    _preset("b623af5-plain", "spacer", 128),
    _preset("b623af5", "spacer-thinking", 1024, REWORDED),
)
