"""`vicabench run`: answer a benchmark's questions, save the answers, print the scores."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import vicabench as vb
from vicabench.cli.api_options import (
    AsFramesOption,
    BaseUrlOption,
    BatchOption,
    ConcurrencyOption,
    ImageSizeOption,
    JpegOption,
    MaxCostOption,
    MaxRequestsOption,
    MaxRetriesOption,
    PricesOption,
    RequestTimeoutOption,
    RetryWaitOption,
)
from vicabench.cli.completing import complete_model
from vicabench.cli.defaults import from_file
from vicabench.cli.options import (
    AddressOption,
    AnswerTimeoutOption,
    AttentionOption,
    BenchmarksOption,
    BlindOption,
    CacheSizeOption,
    CompileOption,
    DataOption,
    DecoderOption,
    DeviceOption,
    DevicesOption,
    DtypeOption,
    ExecutorOption,
    FormatOption,
    FpsOption,
    FrameCacheOption,
    GpusOption,
    GroupOption,
    LimitOption,
    MaxFramesOption,
    NewTokensOption,
    PrefetchOption,
    ProtocolOption,
    PublishedOption,
    ReplicasOption,
    RetryErrorsOption,
    RunFramesOption,
    SeedOption,
    ShardOption,
    SubsetOption,
    TasksOption,
    TextOnlyOption,
    TimeOption,
    TimeoutOption,
    VideosOption,
    VisionOption,
    WordingOption,
    WorkersOption,
    tasks_named,
)
from vicabench.cli.preset_options import (
    AssumeFpsOption,
    FrameRuleOption,
    FramesAsOption,
    GenerationOption,
    MaxPixelsOption,
    MetaOption,
    MinPixelsOption,
    PresetOption,
    SystemOption,
    TotalPixelsOption,
    WithMapOption,
)
from vicabench.cli.sampling_options import (
    PresenceOption,
    RepeatsOption,
    RepetitionOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
)
from vicabench.cli.usage import MODEL, OUTPUT, VIDEO
from vicabench.cli.vllm_options import (
    GpuMemoryOption,
    MaxModelLenOption,
    TensorParallelOption,
    VllmPythonOption,
)
from vicabench.errors import ConfigError
from vicabench.options import VIDEO_TIMEOUT
from vicabench.screen import console, echo, say

if TYPE_CHECKING:
    from vicabench.front.benchmark import Selection
    from vicabench.front.plan import RunPlan
    from vicabench.results.run import Run


def command(
    ctx: typer.Context,
    *,
    benchmark: BenchmarksOption = ["vsi-bench"],  # noqa: B006  (typer copies it)
    subset: SubsetOption = "full",
    data: DataOption = None,
    videos: VideosOption = None,
    limit: LimitOption = None,
    tasks: TasksOption = None,
    preset: PresetOption = None,
    model: Annotated[
        list[str],
        typer.Option(
            help="The model: a hub id (nkkbr/ViCA2, hf:ORG/NAME, vllm:ORG/NAME), the folder of a "
            "checkpoint, openai:NAME, gemini:NAME, anthropic:NAME, baseline:frequency ... Repeat "
            "for several.",
            metavar="SPEC",
            rich_help_panel=MODEL,
            autocompletion=complete_model,
        ),
    ],
    blind: BlindOption = False,
    text_only: TextOnlyOption = False,
    time_instruction: TimeOption = False,
    max_new_tokens: NewTokensOption = 1024,
    wording: WordingOption = "auto",
    with_map: WithMapOption = None,
    meta: MetaOption = None,
    system: SystemOption = None,
    frames_as: FramesAsOption = "auto",
    min_pixels: MinPixelsOption = None,
    max_pixels: MaxPixelsOption = None,
    total_pixels: TotalPixelsOption = None,
    assume_fps: AssumeFpsOption = None,
    generation: GenerationOption = None,
    temperature: TemperatureOption = 0.0,
    top_p: TopPOption = 1.0,
    top_k: TopKOption = 0,
    presence_penalty: PresenceOption = 0.0,
    repetition_penalty: RepetitionOption = None,
    repeats: RepeatsOption = 1,
    seed: SeedOption = 0,
    frames: RunFramesOption = None,
    fps: FpsOption = None,
    max_frames: MaxFramesOption = None,
    frame_rule: FrameRuleOption = None,
    no_video: Annotated[
        bool,
        typer.Option(
            "--no-video",
            help="Do not decode videos; for baselines, which do not use them.",
            rich_help_panel=VIDEO,
        ),
    ] = False,
    frame_cache: FrameCacheOption = None,
    frame_cache_size: CacheSizeOption = None,
    video_timeout: TimeoutOption = VIDEO_TIMEOUT,
    decoder: DecoderOption = "auto",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "sdpa",
    group_size: GroupOption = 0,
    vision_batch: VisionOption = 0,
    compile: CompileOption = False,  # noqa: A002  (the option's name)
    vllm_python: VllmPythonOption = "",
    tensor_parallel: TensorParallelOption = 1,
    max_model_len: MaxModelLenOption = None,
    gpu_memory: GpuMemoryOption = None,
    workers: WorkersOption = None,
    prefetch: PrefetchOption = None,
    devices: DevicesOption = None,
    shard: ShardOption = None,
    executor: ExecutorOption = None,
    address: AddressOption = None,
    gpus_per_worker: GpusOption = None,
    replicas: ReplicasOption = None,
    answer_timeout: AnswerTimeoutOption = None,
    base_url: BaseUrlOption = "",
    concurrency: ConcurrencyOption = 8,
    max_requests: MaxRequestsOption = None,
    max_cost: MaxCostOption = None,
    prices: PricesOption = "",
    batch: BatchOption = False,
    image_size: ImageSizeOption = 512,
    jpeg_quality: JpegOption = 90,
    as_frames: AsFramesOption = False,
    request_timeout: RequestTimeoutOption = 120.0,
    max_retries: MaxRetriesOption = 5,
    retry_wait: RetryWaitOption = 1.0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder (default: runs/BENCHMARK/MODEL); with several models, "
            "the folder that holds a run folder for each.",
            metavar="DIR",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    retry_errors: RetryErrorsOption = False,
    protocol: ProtocolOption = "official",
    table: FormatOption = "terminal",
    published: PublishedOption = False,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Take options from this file, such as the run.yaml of a run folder; what is "
            "typed here wins.",
            metavar="FILE",
            is_eager=True,
            callback=from_file,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Ask nothing: print what the run would ask, and the tokens, memory, hours and "
            "cost as far as they are known.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
) -> None:
    """Answer a benchmark's questions, save the answers in a run folder, print the scores.

    Repeat the same command to continue an interrupted run. Exit code 1: some
    questions have no answer.
    """
    given = locals()
    from vicabench.adapters import never_looks
    from vicabench.cli.output import check_format
    from vicabench.front.run import shard_named
    from vicabench.front.run_options import RunOptions
    from vicabench.reference import published_on
    from vicabench.results.alike import check_published

    check_format(table)
    options = run_options(given, ctx)
    checked = RunOptions.of(options, frames=frames)
    checked.check()
    part = None if shard is None else shard_named(shard, checked)
    protocol = _reading(protocol, preset, ctx)
    unseen = [never_looks(spec) for spec in model]  # also refuses a misspelt model
    if dry_run and published:
        raise ConfigError("--dry-run prints no scores: leave out --published.")
    _refuse_of_one(benchmark, given)
    where = {name: given[name] for name in ("subset", "data", "videos", "limit")}
    where |= {"tasks": tasks_named(tasks)}
    where |= {"videos_needed": not (dry_run or no_video or text_only or all(unseen))}
    asked = [vb.benchmark(name, **where) for name in benchmark]
    if len(asked) > 1 and published:
        raise ConfigError("--published is about one benchmark: leave it out beside several.")
    for each in asked:
        if not published_on(each.benchmark.name, each.benchmark.subset):
            check_published(published, each.benchmark.name, each.benchmark.questions)
    how = {name: given[name] for name in ("frames", "seed", "retry_errors")} | options
    if dry_run:
        how["shard"] = part
        _show(_plans(model, asked, out, checked.suffix, how), table)
        return
    runs = vb.run_all(model, asked, out=out, protocol=protocol, shard=part, **how)
    _print_scores(runs, protocol, table, published)


def _reading(protocol: str, preset: str | None, ctx: typer.Context) -> str:
    """The protocol that was given, or that of the preset; ConfigError if there is none."""
    from vicabench.harnesses.presets import find_preset
    from vicabench.harnesses.protocols import find_protocol

    if preset is not None and not _is_typed("protocol", ctx):
        protocol = find_preset(preset).reading
    return find_protocol(protocol).name


def _plans(
    models: Sequence[str],
    asked: Sequence[Selection],
    out: Path | None,
    suffix: str,
    how: Mapping[str, Any],
) -> list[RunPlan]:
    from vicabench.front.run import folders_of

    return [
        vb.run_plan(model, one, out=folder, **how)
        for one, folders in zip(
            asked, folders_of(models, asked, out=out, suffix=suffix), strict=True
        )
        for model, folder in folders.items()
    ]


def _refuse_of_one(benchmarks: Sequence[str], given: Mapping[str, Any]) -> None:
    """Raise ConfigError for options about one benchmark beside several."""
    typed = {"subset": "full", "data": None, "videos": None, "tasks": None}
    named = [f"--{name}" for name, usual in typed.items() if given[name] != usual]
    if len(benchmarks) > 1 and named:
        raise ConfigError(
            f"{', '.join(named)} is about one benchmark, and {len(benchmarks)} are named. A subset "
            "can be named with each: --benchmark revsi:64_frame."
        )


def _print_scores(runs: Sequence[Run], protocol: str, table: str, published: bool) -> None:
    """Print the scores of the runs, and end with exit code 1 if a question has no answer."""
    from vicabench.cli.output import TERMINAL, print_table
    from vicabench.harnesses.protocols import find_protocol
    from vicabench.reporting.overview import benchmark_of, overview
    from vicabench.reporting.tables import SHEET_FORMATS, show_sheets
    from vicabench.results.alike import published_beside

    rule = find_protocol(protocol)
    rows = [run.scores(rule) for run in runs]
    over = overview(runs, rule)
    if over:
        rows = [
            replace(row, model=f"{row.model} on {benchmark_of(run)}")
            for row, run in zip(rows, runs, strict=True)
        ]
    print_table(rows, name=table, published=published_beside(published, runs))
    if over and table == TERMINAL:
        show_sheets(console(), [over])
    elif over and table in SHEET_FORMATS:
        echo(SHEET_FORMATS[table]([over]))
    say("Answers: " + ", ".join(f"{run.path}" for run in runs))
    failed = any(row.overall.failed for row in rows)
    if failed:
        say("Some questions have no answer (exit code 1); --retry-errors retries them.")
    sys.exit(1 if failed else 0)


def _show(plans: Sequence[RunPlan], table: str) -> None:
    from vicabench.cli.output import print_sheets
    from vicabench.front.plan import plans_csv, plans_json

    print_sheets(
        [plan.sheet() for plan in plans],
        name=table,
        csv=lambda: plans_csv(plans),
        json=lambda: plans_json(plans),
    )


def run_options(given: Mapping[str, Any], ctx: typer.Context | None = None) -> dict[str, Any]:
    """Select the options that `vicabench.run` takes as keyword options.

    With a context, only those that were given: a preset decides the others.
    """
    from vicabench.front.run_options import RunOptions

    names = [name for name in RunOptions.names() if name in given]
    return {name: given[name] for name in names if ctx is None or _is_typed(name, ctx)}


def _is_typed(name: str, ctx: typer.Context) -> bool:
    """Whether an option was given, on the command line, in the environment or in a file."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"
