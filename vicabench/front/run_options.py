"""The options of a run beside its questions, checked and grouped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.engine.options import HERE, ExecutionOptions, VideoOptions, check_number
from vicabench.errors import ConfigError, counted, did_you_mean
from vicabench.options import FRAMES, VIDEO_TIMEOUT
from vicabench.types import Benchmark, ModelOptions

if TYPE_CHECKING:
    pass

from vicabench.front.benchmark import Asked, Selection, benchmark
from vicabench.front.folders import slug
from vicabench.front.generation import GENERATION, with_generation
from vicabench.harnesses.presets import find_preset
from vicabench.mapping.given import TRUE

PATHS = ("frame_cache", "meta")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of a run beside its questions, grouped by the part that uses them.

    `preset` names how a harness asks, which sets what is not among the `typed` options.
    """

    video: VideoOptions
    model: ModelOptions
    execution: ExecutionOptions
    answer_timeout: float | None
    preset: str | None = None
    typed: frozenset[str] = frozenset()
    repeats: int = 1
    with_map: str | None = None
    meta: Path | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any], *, frames: int | None) -> RunOptions:
        """Group the options and check their numbers.

        Raises:
            ConfigError: For a number out of bounds.
            TypeError: For an unknown option, naming the most similar one.
        """
        check_number("frames", frames, optional=True)
        video: dict[str, Any] = {
            **dict.fromkeys(field.name for field in fields(VideoOptions)),
            "no_video": False,
            "frames": frames,
            "video_timeout": VIDEO_TIMEOUT,
            "decoder": "auto",
        }
        model: dict[str, Any] = {field.name: field.default for field in fields(ModelOptions)}
        execution: dict[str, Any] = dict.fromkeys(field.name for field in fields(ExecutionOptions))
        rest: dict[str, Any] = {"answer_timeout": None, "preset": None, "repeats": 1}
        rest |= {"with_map": None, "meta": None}
        given = with_generation(given)
        typed = {name for name, value in given.items() if value is not None} - {"preset"}
        typed |= {"frames"} if frames is not None else set()
        for name, value in given.items():
            for known in (video, model, execution, rest):
                if name in known:
                    check_number(name, value, optional=known[name] is None)
                    known[name] = value if name not in PATHS else _path(value)
                    break
            else:
                every = [*video, *model, *execution, *rest]
                raise TypeError(f"A run has no option {name!r}.{did_you_mean(name, every)}")
        video["no_video"] = video["no_video"] or model["text_only"]
        _refuse_without_temperature(model)
        return cls(
            video=VideoOptions(**video),
            model=ModelOptions(**model),
            execution=ExecutionOptions(**execution),
            typed=frozenset(typed),
            **rest,
        )

    def for_benchmark(self, benchmark: Benchmark) -> RunOptions:
        """These options with as many frames as the benchmark asks about, unless others were given.

        Raises:
            ConfigError: For other frames than those that its questions are about.
        """
        rule, given = benchmark.frame_rule, self.video.frames
        if self.video.no_video:
            return self
        if self.video.fps is not None and not (rule and rule.fixed):
            return self
        if rule and rule.fps and given is None:
            return replace(self, video=replace(self.video, fps=rule.fps))
        if rule and rule.fixed and (self.video.fps or given not in (None, rule.frames)):
            raise ConfigError(
                f"{benchmark.name} ({benchmark.subset}) is about {counted(rule.frames, 'frame')} "
                f"of each video, and no others: {rule.why}. Leave out --frames and --fps."
            )
        frames = given or (rule and rule.frames) or FRAMES
        return replace(self, video=replace(self.video, frames=frames))

    def values(self) -> dict[str, Any]:
        """The options by name, as `of` takes them."""
        grouped = (self.video, self.model, self.execution)
        values = {f.name: getattr(group, f.name) for group in grouped for f in fields(group)}
        rest = ("answer_timeout", "preset", "repeats", "with_map", "meta")
        return {**values, **{name: getattr(self, name) for name in rest}}

    def to_repeat(self) -> dict[str, Any]:
        """The options that `run.yaml` keeps: with a preset, only those that were typed."""
        values = self.values()
        if self.preset is None:
            return values
        # The version too: tomorrow a bare name may be a newer one.
        asked = {"as": find_preset(self.preset).spec}
        return asked | {name: values[name] for name in values if name in self.typed}

    @property
    def suffix(self) -> str:
        """What tells the default run folder from that of the model's usual run."""
        preset = "" if self.preset is None else f"-as-{slug(find_preset(self.preset).spec)}"
        shown = {None: "", TRUE: "-with-true-map"}.get(self.with_map, "-with-own-map")
        return self.model.suffix + preset + shown

    @staticmethod
    def names() -> tuple[str, ...]:
        """The options that `of` takes beside `frames`."""
        names = RunOptions.of({}, frames=FRAMES).values()
        return (*(name for name in names if name != "frames"), GENERATION)

    def check(self) -> None:
        """Raise ConfigError for options that contradict each other, before anything is loaded."""
        if self.meta is not None and self.with_map != TRUE:
            raise ConfigError(f"--meta has the true maps: it needs --with-map {TRUE}.")
        if self.preset is None:  # it may supply what the other options need
            self.video.decoding()
        else:
            find_preset(self.preset)
        self.execution.chosen(self.model)

    def refuse_execution(self) -> None:
        """Raise ConfigError for execution options: a model in memory runs in this process."""
        typed = {n: v for n, v in vars(self.execution).items() if v not in (None, HERE)}
        if typed:
            raise ConfigError(
                f"{', '.join(typed)}: a model in memory runs only in this process. Leave that out, "
                "or give the name of a model."
            )

    def refuse_map(self) -> None:
        """Raise ConfigError for a map with a model in memory, whose own maps have no folder."""
        if self.with_map is not None:
            raise ConfigError("with_map is for a model with a name: leave it out, or name one.")

    def selected(
        self, source: Asked, limit: int | None, tasks: Sequence[str], progress: bool, seen: bool
    ) -> Selection:
        """Select the questions; videos may be missing with `no_video`, or if none is `seen`."""
        need = seen and not self.video.no_video
        return benchmark(source, limit=limit, tasks=tasks, videos_needed=need, progress=progress)


def _refuse_without_temperature(model: Mapping[str, Any]) -> None:
    off = {"top_p": 1, "top_k": 0}
    lone = ["--" + name.replace("_", "-") for name in off if model[name] != off[name]]
    if lone and not model["temperature"]:
        raise ConfigError(
            f"{' and '.join(lone)} restrict which tokens a reply is drawn from, and without "
            "--temperature none is drawn: add it, or leave that out."
        )


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
