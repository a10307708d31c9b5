"""The prompts of a benchmark as data: a template for each kind of question."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vicabench.errors import DataError
from vicabench.metrics import KINDS

FIELDS = ("question", "options", "unit", "frames", "seconds", "fps")
"""What a template may name: the question, its options a line each, the unit of the answer, the
number of frames, the length of the video in seconds, and the frames a second that both come to."""
_FIELD = re.compile(r"\{(\w+)\}")
"""A field; braces around anything but a word, as in a map of a scene, are part of the text."""


@dataclass(frozen=True, kw_only=True)
class Wording:
    """How a benchmark asks: `templates` by question type, or by kind for all other types.

    The text stands behind the frames, as in VSI-Bench, or with `before_frames` in front of them.
    `frame_label` is the text in front of each frame that is given as an image, `frame_end` that
    behind it; `{i}` counts frames from 1.
    `source` is a citation. `reply` is the form of reply that it asks for, which baselines use.
    """

    name: str
    source: str
    templates: Mapping[str, str] = field(default_factory=dict)
    before_frames: bool = False
    reply: str = "{answer}"
    frame_label: str = ""
    frame_end: str = ""

    def __post_init__(self) -> None:
        for key, template in self.templates.items():
            _check(key, template)

    def template(self, question_type: str, kind: str) -> str:
        """The template of a question; DataError if there is none."""
        for key in (question_type, kind):
            if key in self.templates:
                return self.templates[key]
        raise DataError(f"the wording {self.name} has no template for {question_type} ({kind}).")

    def to_json(self) -> dict[str, Any]:
        """The wording as JSON values, which `wording_of` reads."""
        labels = {"frame_label": self.frame_label, "frame_end": self.frame_end}
        return {
            "name": self.name,
            "source": self.source,
            "templates": dict(self.templates),
            "before_frames": self.before_frames,
            "reply": self.reply,
            **({} if labels == dict.fromkeys(labels, "") else labels),
        }

    def labels(self, frames: int) -> list[tuple[str, str]]:
        """The texts in front of and behind each of so many frames."""
        numbers = (str(i) for i in range(1, frames + 1))
        return [
            (self.frame_label.replace("{i}", i), self.frame_end.replace("{i}", i)) for i in numbers
        ]


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its fields replaced; braces in the values are left alone.

    `fps`, where it is not given, follows from `frames` and `seconds`.
    """
    if "fps" not in values and "{fps}" in template:
        seconds = float(values["seconds"])
        values = {**values, "fps": f"{float(values['frames']) / seconds if seconds else 0:.2f}"}
    return _FIELD.sub(lambda match: values[match[1]], template)


def _check(key: str, template: str) -> None:
    named = _FIELD.findall(template)
    if unknown := [name for name in named if name not in FIELDS]:
        raise DataError(
            f"the template of {key} names {{{unknown[0]}}}. It may name "
            f"{', '.join(f'{{{name}}}' for name in FIELDS)}."
        )
    if "question" not in named:
        raise DataError(f"the template of {key} does not name {{question}}.")


def wording_of(value: Any, name: str) -> Wording:
    """The wording in a JSON or YAML value; `name` is its name if it gives none.

    Raises:
        DataError: For an unknown key or field, or a value of the wrong type.
    """
    if not isinstance(value, Mapping):
        raise DataError(f"a wording is an object with templates, not {str(value)[:80]!r}.")
    texts = ("name", "source", "reply", "frame_label", "frame_end")
    keys = (*texts[:2], "templates", "before_frames", *texts[2:])
    if unknown := [str(key) for key in value if key not in keys]:
        raise DataError(f"a wording has no key {unknown[0]!r}. Keys are {', '.join(keys)}.")
    templates = value.get("templates") or {}
    if not isinstance(templates, Mapping) or not all(
        isinstance(text, str) for pair in templates.items() for text in pair
    ):
        raise DataError(
            f"the templates of a wording map a question type, or {', '.join(KINDS)}, to a text."
        )
    before = value.get("before_frames", False)
    given = {key: value.get(key) or "" for key in texts}
    if not isinstance(before, bool) or not all(isinstance(t, str) for t in given.values()):
        raise DataError(f"{', '.join(texts)} of a wording are texts, before_frames true/false.")
    usual = {"name": name, "source": "the benchmark's own", "reply": "{answer}"}
    return Wording(
        templates=dict(templates),
        before_frames=before,
        **{key: text or usual.get(key, "") for key, text in given.items()},
    )
