"""What a preset sets of a run for one model, and how near it comes to its harness: `--as`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from vica.hub import kind_of

from vicabench.adapters import find_adapter, never_looks
from vicabench.adapters.extras import explained
from vicabench.errors import ConfigError, an
from vicabench.harnesses.presets import (
    CAMBRIAN,
    INTERNVL,
    LLAVA,
    OTHER,
    VICA,
    Asks,
    Preset,
    find_preset,
)
from vicabench.options import SAMPLING
from vicabench.reference import is_vsi_bench

if TYPE_CHECKING:
    from vicabench.front.run_options import RunOptions
    from vicabench.types import Benchmark

EXACT, SAMPLED, APPROXIMATE = "exact", "same up to sampling", "approximate"
"""How near a run comes to its harness: the same prompts, frames, pixels and generation settings;
the same but for the random numbers; or with differences, which the record names."""
API = "vicabench.adapters.api."
CHECKPOINTS = ("vicabench.adapters.family", "vicabench.adapters.hf.adapter")
VIDEO_NAMES = ("frames", "fps", "max_frames", "frame_rule")
SAID = ("wording", "max_new_tokens", *SAMPLING)
"""What is left of a preset without frames."""
UNASKED = ("blind", "text_only", "time_instruction")
"""Options that no preset has."""
RIVALS = {"fps": ("frames",), "frames": ("fps", "max_frames")}
"""Options of a preset that give way to one that was typed."""
GREEDY_TOP_P = 0.001
"""At or below it, only the best token is left."""


@dataclass(frozen=True, kw_only=True)
class AskedAs:
    """A preset as it is used for one model.

    Attributes:
        decided: What the preset sets, by option.
        overridden: The preset's value and the one that was typed in its place, by option.
        why: What keeps the run from being exact.
    """

    preset: Preset
    family: str
    fidelity: str
    decided: Mapping[str, Any]
    overridden: Mapping[str, tuple[Any, Any]]
    why: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """What a run's configuration keeps of it."""
        return {
            "preset": self.preset.spec,
            "reading": self.preset.reading,
            "source": self.preset.source,
            "family": self.family,
            "fidelity": self.fidelity,
            "why": list(self.why),
            "decided": dict(self.decided),
            "overridden": {name: list(pair) for name, pair in self.overridden.items()},
        }


def family_of(model: str) -> str:
    """The family of a model, by its adapter or the `model_type` of its checkpoint.

    Raises:
        ConfigError: The configuration of a checkpoint cannot be read.
    """
    build, argument = find_adapter(model)
    module = build.__module__
    if module.startswith(API):
        return module.removeprefix(API)
    if module not in CHECKPOINTS:
        return VICA if module == "vicabench.adapters.vica" else OTHER
    with explained():
        opening = import_module("vicabench.adapters.hf.model")
        config = opening.read_config(opening.small_files(argument), argument)
    stated = str(config.get("model_type"))
    if kind_of(config) is not None:
        return stated if stated in (LLAVA, CAMBRIAN) else VICA
    return INTERNVL if stated == "internvl_chat" else stated


def _unasked(given: RunOptions) -> Iterator[str]:
    """What is said of the options in use that no harness has."""
    names = [_typed(name) for name in UNASKED if getattr(given.model, name)]
    for name in [*names, *(["--with-map"] if given.with_map else [])]:
        yield f"no preset has {name}"


def asked_as(
    given: RunOptions, model: str, benchmark: Benchmark
) -> tuple[RunOptions, AskedAs | None]:
    """The options with what their preset decides for a model, and a record of it.

    Options that were typed win over the preset.

    Raises:
        ConfigError: For an unknown preset, a model that is not asked, or one whose family cannot
            be known.
    """
    if given.preset is None:
        return given, None
    preset = find_preset(given.preset)
    if never_looks(model):
        raise ConfigError(f"--as {preset.spec} is about models that are asked: leave it out.")
    family = family_of(model)
    asks = preset.asks(family)
    wanted, short = _wanted(given, asks)
    wanted, beyond = _taken(wanted, family)
    short = [*_limits(asks, preset, family, benchmark), *short, *beyond, *_unasked(given)]
    dropped = {rival for name in given.typed for rival in RIVALS.get(name, ())}
    values, decided, overridden = given.values(), {}, {}
    for name, value in wanted.items():
        if name in given.typed or name in dropped:
            mine = values[name]
            if mine != value:
                overridden[name] = (value, mine)
        else:
            decided[name] = value
    short += [f"{_typed(name)} is not the preset's" for name in overridden]
    fidelity = APPROXIMATE if short else EXACT
    if samples(asks.generation):
        fidelity = APPROXIMATE if short else SAMPLED
        short.append(f"tokens are drawn at temperature {asks.generation['temperature']:g}")
    return _with(given, decided), AskedAs(
        preset=preset,
        family=family,
        fidelity=fidelity,
        decided=decided,
        overridden=overridden,
        why=tuple(short),
    )


def _wanted(given: RunOptions, asks: Asks) -> tuple[dict[str, Any], list[str]]:
    """What a preset sets on this machine, and why that is not all."""
    wanted = {**asks.options, **dict(_generation(given, asks))}
    if given.video.no_video:  # also for --text-only
        return {name: value for name, value in wanted.items() if name in SAID}, []
    if wanted.get("frames_as") != "video" or find_spec("torchvision"):
        return wanted, []
    lost = ("assume_fps", "total_pixels")
    images = {name: value for name, value in wanted.items() if name not in lost}
    why = "torchvision is not installed, so the frames of a video are given as images"
    return {**images, "frames_as": "images"}, [why]


def _taken(wanted: Mapping[str, Any], family: str) -> tuple[dict[str, Any], list[str]]:
    """What a preset sets without options that models of the library `vica` do not take, and why.

    These models fix how they are shown their frames.
    """
    if family not in (VICA, LLAVA, CAMBRIAN):
        return dict(wanted), []
    with explained():
        adapter = import_module("vicabench.adapters.vica").ViCAAdapter
    taken = (*VIDEO_NAMES, *adapter.accepts_options)
    return (
        {name: value for name, value in wanted.items() if name in taken},
        [f"{an(family)} model has no {_typed(name)}" for name in wanted if name not in taken],
    )


def samples(generation: Mapping[str, Any]) -> bool:
    """Whether settings of `generate` leave more than the best token to choose from."""
    hot = (generation.get("temperature") or 0) > 0
    top_p = generation.get("top_p")
    narrow = generation.get("top_k") == 1 or (top_p is not None and top_p <= GREEDY_TOP_P)
    return hot and not narrow


def _generation(given: RunOptions, asks: Asks) -> Iterator[tuple[str, Any]]:
    """The generation settings that are options of a run."""
    for name, value in asks.generation.items():
        if value is not None and hasattr(given.model, name):
            yield name, value


def _limits(asks: Asks, preset: Preset, family: str, benchmark: Benchmark) -> Iterator[str]:
    yield from asks.short
    if not asks.known:
        yield f"{preset.spec} has no settings for {an(family)} model"
    if not is_vsi_bench(benchmark.name, benchmark.questions):
        yield f"{preset.spec} is about VSI-Bench, and these are questions of {benchmark.name}"


def _with(given: RunOptions, decided: Mapping[str, Any]) -> RunOptions:
    video = {name: value for name, value in decided.items() if name in VIDEO_NAMES}
    model = {name: value for name, value in decided.items() if name not in VIDEO_NAMES}
    return replace(given, video=replace(given.video, **video), model=replace(given.model, **model))


def _typed(name: str) -> str:
    return "--" + name.replace("_", "-")


def decision_lines(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The rows of `run --dry-run` about a preset, from its record."""
    yield "asked as", f"{record['preset']}: {record['fidelity']}, for {record['family']}"
    for name, value in record["decided"].items():
        yield f"  {_typed(name)}", str(value)
    for name, (preset, mine) in record["overridden"].items():
        yield f"  {_typed(name)}", f"{mine}, in place of the preset's {preset}"
    for reason in record["why"]:
        yield "  not exact", reason
    yield "  read by", record["reading"]
