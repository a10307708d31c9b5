"""What a harness decides when it asks, and which presets exist: `vicabench run --as NAME@VERSION`.

A new preset is one file in `vicabench.harnesses` that defines `PRESETS`, oldest first, and
one entry in `FILES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from vicabench.errors import ConfigError, did_you_mean
from vicabench.metrics import CHOICE, NUMERIC
from vicabench.wording import Wording

OPENING = "These are frames of a video."
LETTER = "Answer with the option's letter from the given choices directly."
PHRASE = "Please answer the question using a single word or phrase."
NUMBER_ALONE = "Do not response anything other than a single number!"
FLOAT = "Answer briefly and directly in one float number."
"""The parts of the published prompts of VSI-Bench, spelled as in their code."""

QWEN2, QWEN2_5, QWEN3 = "qwen2_vl", "qwen2_5_vl", "qwen3_vl"
QWEN_VIDEO_PIXELS: Mapping[str, Any] = {"min_pixels": 128 * 28 * 28, "max_pixels": 768 * 28 * 28}
"""The default of qwen_vl_utils for a frame of a video, with patches of 14 pixels."""
INTERNVL, LLAVA_OV, LLAVA_VIDEO = "internvl", "llava_onevision", "llava_next_video"
VICA, OPENAI, GEMINI = "vica", "openai", "gemini"
LLAVA, CAMBRIAN = "llava", "cambrian_qwen"
"""Checkpoints of the original code of LLaVA over Qwen2, and of Cambrian-S."""
OTHER = "other"
"""Families of models: a `model_type` of transformers, or who answers."""


def vsi_wording(
    name: str, source: str, *, numeric: str, opening: str = OPENING, line: str = "Options:\n",
    before_frames: bool = False, frame_label: str = "", frame_end: str = "",
) -> Wording:  # fmt: skip
    """A wording of VSI-Bench: opening, question, options behind a line, and what is asked for.

    Args:
        numeric: How a prompt about a number ends.
        line: What stands in front of the options, with its newline.
    """
    start = f"{opening}\n" if opening else ""
    templates = {
        NUMERIC: f"{start}{{question}}\n{numeric}",
        CHOICE: f"{start}{{question}}\n{line}{{options}}\n{LETTER}",
    }
    return Wording(
        name=name,
        source=source,
        templates=templates,
        before_frames=before_frames,
        frame_label=frame_label,
        frame_end=frame_end,
    )


@dataclass(frozen=True, kw_only=True)
class Asks:
    """What a preset decides for a family of models; None leaves it to vicabench.

    Attributes:
        wording: The name of a wording of the preset.
        generation: Settings of `generate` by the names of transformers.
        short: What cannot be reproduced here, and makes a run approximate.
        known: Whether the harness has a class for this family.

    The other attributes are the options of `vicabench run` of the same name.
    """

    wording: str
    frames: int | None = None
    fps: float | None = None
    max_frames: int | None = None
    frame_rule: str | None = None
    frames_as: str | None = None
    system: str | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    total_pixels: int | None = None
    assume_fps: float | None = None
    generation: Mapping[str, Any] = field(default_factory=dict)
    short: tuple[str, ...] = ()
    known: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """The options that it decides, without the generation settings."""
        skipped = ("generation", "short", "known")
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in skipped}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How one version of a harness asks the questions of VSI-Bench.

    Attributes:
        source: The repository, commit and files that it is taken from.
        reading: The protocol by which the harness reads replies.
        wordings: The prompts that its families name.
        families: What it decides by family of models; `other` is for all further ones.
    """

    name: str
    version: str
    source: str
    reading: str
    wordings: tuple[Wording, ...]
    families: Mapping[str, Asks]

    @property
    def spec(self) -> str:
        """`name@version`, as the run records it."""
        return f"{self.name}@{self.version}"

    def asks(self, family: str) -> Asks:
        """What it decides for a family, or for further ones."""
        return self.families.get(family) or self.families[OTHER]


FILES = {
    "official": "official",
    "lmms-eval": "lmms_eval",
    "vlmevalkit": "vlmevalkit",
    "easi": "easi",
    "sensenova-si": "easi",
    "spatial-mllm": "spatial_mllm",
    "spacer": "spacer",
    "vst": "vst",
    "vlm-3r": "vlm_3r",
    "cambrian-p": "cambrian",
    "cambrian-s": "cambrian",
    "vica": "vica",
}
"""The file in `vicabench.harnesses` of each harness."""


def presets_of(name: str) -> tuple[Preset, ...]:
    """The versions of a harness, oldest first."""
    module = importlib.import_module(f"vicabench.harnesses.{FILES[name]}")
    found: tuple[Preset, ...] = module.PRESETS
    return tuple(preset for preset in found if preset.name == name)


def all_presets() -> Iterator[Preset]:
    """All versions of all harnesses."""
    for name in FILES:
        yield from presets_of(name)


def find_preset(spec: str) -> Preset:
    """The preset `NAME@VERSION`; a bare name is its newest version.

    Raises:
        ConfigError: There is no such harness, or no such version of it.
    """
    name, _, version = spec.partition("@")
    if name not in FILES:
        raise ConfigError(
            f"There is no preset '{spec}'. Presets are {', '.join(FILES)}, and each may name a "
            f"version, such as lmms-eval@0.7.2.{did_you_mean(name, FILES)}"
        )
    versions = {preset.version: preset for preset in presets_of(name)}
    if not version:
        return next(reversed(versions.values()))
    if version not in versions:
        near = did_you_mean(version, versions, before=f"{name}@")
        raise ConfigError(
            f"There is no preset '{spec}'. Versions of {name} are {', '.join(versions)}.{near}"
        )
    return versions[version]


def harness_wordings() -> dict[str, Wording]:
    """The wordings of all presets, by name."""
    return {wording.name: wording for preset in all_presets() for wording in preset.wordings}
