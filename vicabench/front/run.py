"""Runs of models on benchmarks, for notebooks and training loops: `vicabench run`.

`run` takes the name of a model and continues a run folder; `evaluate` takes a model in memory or
any callable. Both return the `Run` that `vicabench.load` reads from the folder.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.adapters import find_adapter, never_looks, refuse_unused
from vicabench.adapters.abilities import check_abilities
from vicabench.adapters.python import Builder, Respond, adapter_of, named
from vicabench.benchmarks import DEFAULT, Source, load_benchmark
from vicabench.benchmarks.own import benchmark_of_rows
from vicabench.engine.options import HERE, ExecutionOptions, VideoOptions
from vicabench.engine.run import run as run_into
from vicabench.engine.shards import VISIBLE, Shard, own_gpu
from vicabench.engine.workers.local import Executor, InProcessExecutor
from vicabench.errors import ConfigError, an, counted
from vicabench.front.folders import kept, new_folder, run_folders
from vicabench.front.progress import RunDisplay, building
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.options import BOUNDS, FRAMES, VIDEO_TIMEOUT
from vicabench.results.frames import frame_of
from vicabench.results.plan import select
from vicabench.results.run import Run, load_run
from vicabench.screen import console
from vicabench.types import Adapter, AdapterContext, Benchmark, ModelOptions, Question

if TYPE_CHECKING:
    from pandas import DataFrame

OFFICIAL = "official"
PATHS = ("frame_cache",)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A benchmark and its selected questions."""

    benchmark: Benchmark
    questions: tuple[Question, ...] = field(repr=False)

    def __repr__(self) -> str:
        videos = len({q.video for q in self.questions})
        asked = f"{len(self.questions):,} of {counted(len(self.benchmark.questions), 'question')}"
        return f"<{self.benchmark.name}: {asked}, {counted(videos, 'video')}>"

    def frame(self) -> DataFrame:
        """One row per question: id, video, task, question, options and truth."""
        rows = [
            {
                "id": q.id,
                "video": q.video,
                "task": q.task,
                "question": q.text,
                "options": list(q.options),
                "truth": q.answer,
            }
            for q in self.questions
        ]
        return frame_of(rows, ("id", "video", "task", "question", "options", "truth"))


Asked = Selection | Benchmark | str | Path | Sequence[Mapping[str, Any]] | Any
"""What `benchmark` takes: a name, a path, rows, or a selection made before."""


def benchmark(
    source: Asked = DEFAULT,
    *,
    limit: int | None = None,
    tasks: Sequence[str] = (),
    subset: str = "full",
    revision: str | None = None,
    config: str | None = None,
    split: str | None = None,
    data: str | Path | None = None,
    videos: str | Path | None = None,
    name: str = "rows",
    videos_needed: bool = True,
    progress: bool = True,
) -> Selection:
    """Load a benchmark and select questions.

    Args:
        source: `vsi-bench`, `rooms`, the hub id of a data set (`owner/name`), the path of a
            `.jsonl`, `.json`, `.csv`, `.tsv` or `.parquet` file, a list of dicts or a DataFrame,
            all with the columns of VSI-Bench, or a selection made before.
        limit: Select only the first `limit` videos, with all their questions.
        tasks: Select only these tasks or question types; a single one may be a string.
        subset: For `vsi-bench`: `full`, `debiased` or `pruned`.
        revision: For a hub id: a commit, tag or branch. The commit is recorded in every run.
        config: For a hub id: the name of a configuration.
        split: For a hub id: the name of a split; by default `test`, or the only one.
        data: For `vsi-bench`: the folder it was downloaded to.
        videos: For questions of your own: the folder of their videos.
        name: The name of a benchmark given as rows.
        videos_needed: Whether to refuse a benchmark without a single video on disk.
        progress: Whether to show on standard error the progress of building Rooms.

    Raises:
        ConfigError: For an unknown benchmark or task, no question, or an argument without effect.
        DataError: For missing or malformed data.
    """
    _check_number("limit", limit, optional=True)
    if config is not None and subset != "full":
        raise ConfigError("config and subset mean the same: give one of them.")
    of_hub = {"revision": revision, "config": config, "split": split}
    _refuse_ignored(source, subset=subset, data=data, videos=videos, name=name, **of_hub)
    if isinstance(source, Selection) and limit is None and not tasks:
        return source
    given = Source(
        subset=config or subset,
        revision=revision,
        split=split,
        data=_path(data),
        videos=_path(videos),
        videos_needed=videos_needed,
    )
    loaded = _loaded(source, given, name, progress)
    wanted = [tasks] if isinstance(tasks, str) else tasks
    return Selection(benchmark=loaded, questions=select(loaded, limit=limit, tasks=wanted))


def _loaded(source: Asked, given: Source, name: str, progress: bool) -> Benchmark:
    if isinstance(source, Selection):
        return source.benchmark
    if isinstance(source, Benchmark):
        return source
    if isinstance(source, str | Path):
        with _building(str(source), progress) as advance:
            return load_benchmark(str(source), replace(given, progress=advance))
    return benchmark_of_rows(source, name, given.videos, videos_needed=given.videos_needed)


def run(
    model: str,
    benchmark: Asked = DEFAULT,
    *,
    out: str | Path | None = None,
    frames: int = FRAMES,
    limit: int | None = None,
    tasks: Sequence[str] = (),
    seed: int = 0,
    retry_errors: bool = False,
    shard: str | Shard | None = None,
    protocol: str = OFFICIAL,
    progress: bool = True,
    **options: Any,
) -> Run:
    """Answer a benchmark with the model of this name, as `vicabench run` does.

    Repeating the call continues an interrupted run.

    Args:
        model: What `--model` takes: `nkkbr/ViCA2-50p`, `hf:ORG/NAME`, a folder, `openai:NAME` ...
        benchmark: What `vicabench.benchmark` takes.
        out: The run folder; `runs/BENCHMARK/MODEL` by default.
        frames: How many frames are sampled from each video.
        limit: Ask about only the first `limit` videos, with all their questions.
        tasks: Ask only these tasks or question types.
        seed: Seed of the randomness in the adapter.
        retry_errors: Whether to retry questions that failed before.
        shard: Run one part of the videos, `2/8` or `auto`, into a folder for that part.
        protocol: The grading protocol of the running score.
        progress: Whether to show progress on standard error.
        options: All other options of `vicabench run`, by name, such as `max_new_tokens=512`.

    Raises:
        UserError: For the problems that `vicabench run` reports in one line.
        TypeError: For an option that does not exist.
    """
    find_adapter(model)
    given = RunOptions.of(options, frames=frames)
    asked = given.selected(benchmark, limit, tasks, progress, not never_looks(model))
    return run_selection(
        asked,
        model,
        given,
        out=_path(out),
        seed=seed,
        retry_errors=retry_errors,
        shard=shard,
        protocol=find_protocol(protocol),
        progress=progress,
    )


def run_selection(
    asked: Selection,
    model: str,
    given: RunOptions,
    *,
    out: Path | None,
    seed: int,
    retry_errors: bool,
    shard: str | Shard | None,
    protocol: Protocol | None,
    progress: bool,
    load: Callable[[Path], Run] = load_run,
) -> Run:
    """Answer the selected questions, or those of one part, with a model.

    Without a protocol no running score is shown. `load` reads the finished run folder.
    """
    if isinstance(shard, str):
        shard = shard_named(shard, given)
    folders = run_folders(
        [model], asked.benchmark.name, out=out, blind=given.model.blind, shard=shard
    )
    part = shard.record(asked.questions) if shard else None
    if shard:
        asked = Selection(benchmark=asked.benchmark, questions=shard.of(asked.questions))
    return _run(
        asked,
        model,
        folders[model],
        given,
        given.execution.chosen(given.model),
        seed=seed,
        retry_errors=retry_errors,
        part=part,
        protocol=protocol,
        progress=progress,
        load=load,
    )


def shard_named(text: str, given: RunOptions) -> Shard:
    """Parse the name of a part; with `auto`, also restrict this process to its rank's GPU.

    Raises:
        ConfigError: For a name that is not a part.
    """
    shard = Shard.parse(text, os.environ)
    elsewhere = given.execution.executor or given.execution.devices
    if text == "auto" and given.model.device == "auto" and not elsewhere:
        visible = own_gpu(os.environ)
        if visible is not None:
            os.environ[VISIBLE] = visible
    return shard


def evaluate(
    model: Adapter | Builder | Respond | str,
    benchmark: Asked = DEFAULT,
    *,
    out: str | Path | None = None,
    frames: int = FRAMES,
    limit: int | None = None,
    tasks: Sequence[str] = (),
    seed: int = 0,
    retry_errors: bool = False,
    progress: bool = True,
    **options: Any,
) -> Run:
    """Answer a benchmark with a model in memory, or with any callable.

    Decodes ahead, records errors and resumes as `run` does.

    Args:
        model: `vicabench.HF(model, processor)`, any object with the methods of `Adapter`, a
            callable `(video, questions) -> replies`, which returns one text per question in
            order, or what `run` takes.
        out: The run folder, which is continued if the settings of the model are the same. By
            default a new one, `runs/BENCHMARK/NAME-TIME`, because a model in memory cannot be
            identified with the one that answered before.

    The other arguments and the errors raised are those of `run`.
    """
    shared: dict[str, Any] = {"seed": seed, "retry_errors": retry_errors, "progress": progress}
    if isinstance(model, str):
        shared |= {"frames": frames, "limit": limit, "tasks": tasks}
        return run(model, benchmark, out=out, **shared, **options)
    given = RunOptions.of(options, frames=frames)
    seen = getattr(model, "needs_video", True)
    asked = given.selected(benchmark, limit, tasks, progress, seen)
    name = named(model)
    context = AdapterContext(
        benchmark=asked.benchmark,
        seed=seed,
        frames=0 if given.video.no_video else frames,
        options=given.model,
    )
    adapter = adapter_of(model, context)
    given.refuse_execution()
    check_abilities(name, adapter)
    refuse_unused(name, adapter, given.model)
    folder = Path(out) if out else new_folder(asked.benchmark.name, name)
    rule = find_protocol(OFFICIAL)
    return _run(asked, name, folder, given, InProcessExecutor(adapter), protocol=rule, **shared)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of a run beside its questions, grouped by the part that uses them."""

    video: VideoOptions
    model: ModelOptions
    execution: ExecutionOptions
    answer_timeout: float | None

    @classmethod
    def of(cls, given: Mapping[str, Any], *, frames: int) -> RunOptions:
        """Group the options and check their numbers.

        Raises:
            ConfigError: For a number out of bounds.
            TypeError: For an unknown option, naming the most similar one.
        """
        _check_number("frames", frames)
        video: dict[str, Any] = {
            **dict.fromkeys(field.name for field in fields(VideoOptions)),
            "no_video": False,
            "frames": frames,
            "video_timeout": VIDEO_TIMEOUT,
            "decoder": "auto",
        }
        model: dict[str, Any] = {field.name: field.default for field in fields(ModelOptions)}
        execution: dict[str, Any] = dict.fromkeys(field.name for field in fields(ExecutionOptions))
        rest: dict[str, Any] = {"answer_timeout": None}
        for name, value in given.items():
            for known in (video, model, execution, rest):
                if name in known:
                    _check_number(name, value, optional=known[name] is None)
                    known[name] = value if name not in PATHS else _path(value)
                    break
            else:
                every = [*video, *model, *execution, *rest]
                near = "".join(f" Did you mean {n}?" for n in get_close_matches(name, every, 1))
                raise TypeError(f"A run has no option {name!r}.{near}")
        return cls(
            video=VideoOptions(**video),
            model=ModelOptions(**model),
            execution=ExecutionOptions(**execution),
            **rest,
        )

    @staticmethod
    def names() -> tuple[str, ...]:
        """The options that `of` takes beside `frames`."""
        kinds = (VideoOptions, ModelOptions, ExecutionOptions)
        names = [field.name for kind in kinds for field in fields(kind)]
        return (*(name for name in names if name != "frames"), "answer_timeout")

    def check(self) -> None:
        """Raise ConfigError for options that contradict each other, before anything is loaded."""
        self.video.decoding()
        self.execution.chosen(self.model)

    def refuse_execution(self) -> None:
        """Raise ConfigError for execution options: a model in memory runs in this process."""
        typed = {n: v for n, v in vars(self.execution).items() if v not in (None, HERE)}
        if typed:
            raise ConfigError(
                f"{', '.join(typed)}: a model in memory runs only in this process. Leave that out, "
                "or give the name of a model."
            )

    def selected(
        self, source: Asked, limit: int | None, tasks: Sequence[str], progress: bool, seen: bool
    ) -> Selection:
        """Select the questions; videos may be missing with `no_video`, or if none is `seen`."""
        need = seen and not self.video.no_video
        return benchmark(source, limit=limit, tasks=tasks, videos_needed=need, progress=progress)


def _run(
    asked: Selection,
    model: str,
    folder: Path,
    given: RunOptions,
    executor: Executor,
    *,
    seed: int,
    retry_errors: bool,
    progress: bool,
    part: Mapping[str, Any] | None = None,
    protocol: Protocol | None = None,
    load: Callable[[Path], Run] = load_run,
) -> Run:
    if type(seed) is not int:
        raise ConfigError(f"seed={seed!r}: give a whole number.")
    terminal = console(stderr=True)
    terminal.quiet = not progress
    display = RunDisplay(terminal, model, asked.questions, protocol)
    try:
        with display:
            run_into(
                asked.benchmark,
                asked.questions,
                model=model,
                folder=folder,
                decoding=given.video.decoding(),
                seed=seed,
                options=given.model,
                retry_errors=retry_errors,
                executor=executor,
                part=part,
                answer_seconds=given.answer_timeout,
                display=display,
            )
    except KeyboardInterrupt:
        display.say(kept(folder, len(asked.questions)))
        raise
    return load(folder)


def _check_number(name: str, value: Any, *, optional: bool = False) -> None:
    """Raise ConfigError if a numeric option is out of its bounds."""
    if name not in BOUNDS or (optional and value is None):
        return
    least, most = BOUNDS[name]
    whole = isinstance(least, int)
    good = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not good or not least <= value <= most:
        ends = f"from {least} on" if math.isinf(most) else f"from {least} to {most}"
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name}={value!r}: give {kind} {ends}.")


def _refuse_ignored(source: Asked, **given: Any) -> None:
    """Raise ConfigError for arguments that do not apply to a source of this kind."""
    usual = {**dict.fromkeys(given), "subset": "full", "name": "rows"}
    if isinstance(source, Selection | Benchmark):
        unused = set(usual)
    else:
        unused = {"name"} if isinstance(source, str | Path) else usual.keys() - {"videos", "name"}
    if ignored := [name for name in given if name in unused and given[name] != usual[name]]:
        kind = "a name or path" if isinstance(source, str | Path) else an(type(source).__name__)
        raise ConfigError(f"{', '.join(ignored)} would have no effect with {kind}: leave that out.")


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _building(name: str, progress: bool) -> AbstractContextManager[Any]:
    return building(console(stderr=True), f"Building {name}") if progress else nullcontext()
