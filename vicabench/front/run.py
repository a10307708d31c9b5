"""Runs of models on benchmarks, for notebooks and training loops: `vicabench run`.

`run` takes the name of a model and continues a run folder; `evaluate` takes a model in memory or
any callable. Both return the `Run` that `vicabench.load` reads from the folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicabench.adapters import find_adapter, never_looks, refuse_unused
from vicabench.adapters.abilities import check_abilities
from vicabench.adapters.extras import explained
from vicabench.adapters.python import Builder, Respond, adapter_of, named
from vicabench.benchmarks import DEFAULT
from vicabench.engine.run import run as run_into
from vicabench.engine.shards import VISIBLE, Shard, own_gpu
from vicabench.engine.workers.local import Executor, InProcessExecutor, ReusingExecutor
from vicabench.errors import ConfigError
from vicabench.front.asked_as import AskedAs, asked_as
from vicabench.front.folders import kept, new_folder, run_folders, slug
from vicabench.front.progress import RunDisplay
from vicabench.front.repeating import repeated
from vicabench.front.with_map import mapped
from vicabench.harnesses.presets import find_preset
from vicabench.harnesses.protocols import Protocol, find_protocol
from vicabench.results.plan import repeated as repeated_questions
from vicabench.results.run import Run, load_run
from vicabench.screen import console
from vicabench.types import Adapter, AdapterContext

if TYPE_CHECKING:
    pass

from vicabench.front.benchmark import Asked, Selection
from vicabench.front.run_options import RunOptions

OFFICIAL = "official"


def run(
    model: str,
    benchmark: Asked = DEFAULT,
    *,
    out: str | Path | None = None,
    frames: int | None = None,
    limit: int | None = None,
    tasks: Sequence[str] = (),
    seed: int = 0,
    retry_errors: bool = False,
    shard: str | Shard | None = None,
    protocol: str | None = None,
    progress: bool = True,
    **options: Any,
) -> Run:
    """Answer a benchmark with the model of this name, as `vicabench run` does.

    Repeating the call continues an interrupted run.

    Args:
        model: What `--model` takes: `nkkbr/ViCA2-50p`, `hf:ORG/NAME`, a folder, `openai:NAME` ...
        benchmark: What `vicabench.benchmark` takes.
        out: The run folder; `runs/BENCHMARK/MODEL` by default.
        frames: How many frames are sampled from each video; by default 64, or as many as the
            benchmark asks about.
        limit: Ask about only the first `limit` videos, with all their questions.
        tasks: Ask only these tasks or question types.
        seed: Seed of the randomness in the adapter.
        retry_errors: Whether to retry questions that failed before.
        shard: Run one part of the videos, `2/8` or `auto`, into a folder for that part.
        protocol: The grading protocol of the running score; `official`, or that of the preset.
        progress: Whether to show progress on standard error.
        options: All other options of `vicabench run`, by name, such as `max_new_tokens=512`;
            `--as` is `preset="lmms-eval@0.7.2"`.

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
        protocol=_reading(protocol, given),
        progress=progress,
    )


def _reading(protocol: str | None, given: RunOptions) -> Protocol:
    """The protocol of this name, or that by which the preset's harness reads."""
    usual = OFFICIAL if given.preset is None else find_preset(given.preset).reading
    return find_protocol(protocol or usual)


def run_all(
    models: str | Sequence[str],
    benchmarks: Sequence[Asked],
    *,
    out: str | Path | None = None,
    limit: int | None = None,
    tasks: Sequence[str] = (),
    protocol: str | None = None,
    **options: Any,
) -> list[Run]:
    """Answer several benchmarks with each of these models, which is loaded once.

    Args:
        models: What `run` takes, one or several.
        benchmarks: What `vicabench.benchmark` takes, one or several.
        out: The folder that holds a folder of runs for each benchmark; of a single benchmark, as
            in `vicabench run`. By default `runs`.
        limit: Ask about only the first `limit` videos of each benchmark.
        tasks: Ask only these tasks or question types, which each benchmark must have.
        protocol: The grading protocol of the running score; `official`, or that of the preset.
        options: All other options of `run`, by name.

    Returns:
        The runs, model by model, in the order of the benchmarks.

    Raises:
        UserError: For the problems that `vicabench run` reports in one line.
    """
    names = [models] if isinstance(models, str) else list(models)
    how = {name: options.pop(name, usual) for name, usual in SINGLE.items()}
    given = RunOptions.of(options, frames=options.pop("frames", None))
    seen = not all(map(never_looks, names))
    selections = [given.selected(b, limit, tasks, bool(how["progress"]), seen) for b in benchmarks]
    folders = folders_of(names, selections, out=_path(out), suffix=given.suffix)
    runs = []
    for model in names:
        here = isinstance(given.execution.chosen(given.model), InProcessExecutor)
        executor = ReusingExecutor() if here else None
        for asked, places in zip(selections, folders, strict=True):
            how |= {"out": places[model], "protocol": _reading(protocol, given)}
            runs.append(run_selection(asked, model, given, executor=executor, **how))
    return runs


SINGLE: Mapping[str, Any] = {"seed": 0, "retry_errors": False, "shard": None, "progress": True}


def folders_of(
    models: Sequence[str], selections: Sequence[Selection], *, out: Path | None, suffix: str
) -> list[dict[str, Path]]:
    """The run folder of each model, for each benchmark."""
    if len(selections) == 1:
        return [run_folders(models, selections[0].benchmark.name, out=out, suffix=suffix)]
    names = [
        b.name if b.subset == "full" else f"{b.name}-{b.subset}"
        for b in (asked.benchmark for asked in selections)
    ]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"The benchmark {name} is named twice. Name each once.")
    below = [None if out is None else out / slug(name) for name in names]
    return [
        run_folders(models, name, out=place, suffix=suffix)
        for name, place in zip(names, below, strict=True)
    ]


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
    executor: Executor | None = None,
    load: Callable[[Path], Run] = load_run,
) -> Run:
    """Answer the selected questions, or those of one part, with a model.

    Without a protocol no running score is shown. `executor` takes the place of the one that the
    options choose. `load` reads the finished run folder.
    """
    plain = given
    given, how = asked_as(given, model, asked.benchmark)
    given = given.for_benchmark(asked.benchmark)
    asked = mapped(asked, model, given)
    if isinstance(shard, str):
        shard = shard_named(shard, given)
    folders = run_folders([model], asked.benchmark.name, out=out, suffix=given.suffix, shard=shard)
    repeat = repeated(
        asked.options,
        **{**(plain if how else given).to_repeat(), "model": model},
        seed=seed,
        retry_errors=retry_errors,
        protocol=protocol and protocol.name,
        shard=shard and f"{shard.index}/{shard.count}",
        out=run_folders([model], asked.benchmark.name, out=out, suffix=given.suffix)[model],
    )
    part = shard.record(asked.questions) if shard else None
    if shard:
        asked = replace(asked, questions=shard.of(asked.questions))
    return _run(
        asked,
        model,
        folders[model],
        given,
        _executor(folders[model], given, executor),
        seed=seed,
        retry_errors=retry_errors,
        part=part,
        repeat=repeat,
        how=how,
        protocol=protocol,
        progress=progress,
        load=load,
    )


def _executor(folder: Path, given: RunOptions, reused: Executor | None) -> Executor:
    """What answers: jobs of a provider, the executor that is reused, or the one that was chosen."""
    chosen = given.execution.chosen(given.model)
    if not given.model.batch:
        return reused or chosen
    if given.execution.executor or given.execution.devices:
        raise ConfigError("--batch sends requests from this process: leave out --executor.")
    with explained():
        from vicabench.engine.batch import BatchExecutor  # noqa: PLC0415  (an extra brings openai)

        return BatchExecutor(folder)


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
    frames: int | None = None,
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
    given.refuse_map()
    if given.preset is not None:
        raise ConfigError("A preset is for a model with a name: leave out preset, or name one.")
    seen = getattr(model, "needs_video", True)
    asked = given.selected(benchmark, limit, tasks, progress, seen)
    given = given.for_benchmark(asked.benchmark)
    name = named(model)
    context = AdapterContext(
        benchmark=asked.benchmark,
        seed=seed,
        frames=0 if given.video.no_video else given.video.frames or given.video.max_frames or 0,
        fps=given.video.fps or 0.0,
        options=given.model,
    )
    adapter = adapter_of(model, context)
    given.refuse_execution()
    check_abilities(name, adapter)
    refuse_unused(name, adapter, given.model)
    folder = Path(out) if out else new_folder(asked.benchmark.name, name)
    rule = find_protocol(OFFICIAL)
    return _run(asked, name, folder, given, InProcessExecutor(adapter), protocol=rule, **shared)


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
    repeat: str | None = None,
    how: AskedAs | None = None,
    protocol: Protocol | None = None,
    load: Callable[[Path], Run] = load_run,
) -> Run:
    if type(seed) is not int:
        raise ConfigError(f"seed={seed!r}: give a whole number.")
    terminal = console(stderr=True)
    terminal.quiet = not progress
    selected = repeated_questions(asked.questions, given.repeats)
    display = RunDisplay(terminal, model, selected, protocol, asked.benchmark.rubric)
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
                repeat=repeat,
                asked_as=how.record() if how else None,
                repeats=given.repeats,
                answer_seconds=given.answer_timeout,
                display=display,
            )
    except KeyboardInterrupt:
        display.say(kept(folder, len(selected)))
        raise
    return load(folder)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
