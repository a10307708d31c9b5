"""In which settings of the asking two runs differ, by what they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vicabench.harnesses.rows import arguments_of

PROMPT, FRAMES, PIXELS, GENERATION = "prompt", "frames", "pixels", "generation"
MODEL, BENCHMARK, OTHER = "model", "benchmark", "other"
KINDS = (PROMPT, FRAMES, PIXELS, GENERATION, MODEL, BENCHMARK, OTHER)
"""What a setting can belong to, in the order of tables."""
ASKING = KINDS[:4]
"""The parts of the asking, which a run could change one by one."""
_IGNORED = re.compile(r"(?:protocol|file|file_sha256|time|asked_as)(?:\.|$)|canonical")
_TOP = {
    "model": MODEL,
    "benchmark": BENCHMARK,
    "subset": BENCHMARK,
    "revision": BENCHMARK,
    "frames": FRAMES,
    "sampling": FRAMES,
    "seed": GENERATION,
}
_NAMES = (
    (PIXELS, r"pixel|image_size|resolution|resize|jpeg|tile|crop"),
    (GENERATION, r"gen|sampling|temperature|top_[pk]|penalty|beam|new_tokens|seed|repeats|until"),
    (PROMPT, r"prompt|wording|system|template|instruction|blind|text_only|shot"),
    (FRAMES, r"frame|fps|video|times"),
    (MODEL, r"model|pretrained|checkpoint|family|class|processor|dtype|attention|device|endpoint"),
    (BENCHMARK, r"task|dataset|limit"),
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting that differs: what it belongs to, its name, and its values as text."""

    kind: str
    name: str
    a: str
    b: str


def settings_between(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> list[Setting]:
    """The settings in which two configurations differ, in the order of `KINDS`.

    Args:
        a: The content of a `config.json`; None for a run that has none.
        b: That of the other run.
    """
    ours, theirs = (dict(_flat(one["config"])) if one else {} for one in (a, b))
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    found = [
        Setting(
            kind=kind_of(name),
            name=name.removeprefix("adapter."),
            a=_text(ours.get(name)),
            b=_text(theirs.get(name)),
        )
        for name in names
    ]
    return sorted(found, key=lambda setting: KINDS.index(setting.kind))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The settings by dotted names; `model_args` and the like are taken apart."""
    if _IGNORED.match(name.removeprefix("adapter.")):
        return
    parts = value if isinstance(value, Mapping) else None
    if parts is None and name.endswith(("_args", "_kwargs")):
        parts = arguments_of(value)
    if not parts:
        yield name, value
    else:
        for key, inner in parts.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))


def kind_of(name: str) -> str:
    """What a setting, or an option of `vicabench run`, belongs to."""
    if name in _TOP:
        return _TOP[name]
    words = name.removeprefix("adapter.").lower()
    last = words.rpartition(".")[2]
    # `model_args.max_frames_num` is about frames: the last part decides, then what holds it.
    for text in (last, words):
        for kind, pattern in _NAMES:
            if re.search(pattern, text):
                return kind
    return OTHER


def _text(value: Any) -> str:
    return "–" if value is None else str(value)
