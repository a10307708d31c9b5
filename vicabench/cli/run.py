"""`vicabench run`: answer a benchmark's questions, save the answers, print the scores."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import vicabench as vb
from vicabench.adapters import never_looks
from vicabench.cli.options import (
    AddressOption,
    AnswerTimeoutOption,
    AsFramesOption,
    AttentionOption,
    BaseUrlOption,
    BlindOption,
    CacheSizeOption,
    CompileOption,
    ConcurrencyOption,
    DecoderOption,
    DeviceOption,
    DevicesOption,
    DtypeOption,
    ExecutorOption,
    FormatOption,
    FrameCacheOption,
    GpusOption,
    GroupOption,
    ImageSizeOption,
    JpegOption,
    MaxCostOption,
    MaxRequestsOption,
    MaxRetriesOption,
    NewTokensOption,
    PrefetchOption,
    PricesOption,
    ProtocolOption,
    PublishedOption,
    ReplicasOption,
    RequestTimeoutOption,
    RetryWaitOption,
    ShardOption,
    TimeOption,
    TimeoutOption,
    VisionOption,
    WordingOption,
    WorkersOption,
    tasks_named,
)
from vicabench.cli.output import check_format, print_sheets, print_table
from vicabench.errors import ConfigError
from vicabench.front.folders import run_folders
from vicabench.front.plan import plans_csv, plans_json
from vicabench.front.run import RunOptions, shard_named
from vicabench.harnesses.protocols import find_protocol
from vicabench.options import FRAMES, VIDEO_TIMEOUT
from vicabench.results.alike import check_published
from vicabench.screen import say


def command(
    model: Annotated[
        list[str],
        typer.Option(
            help="The model: a hub id (nkkbr/ViCA2, hf:ORG/NAME), the folder of a checkpoint, "
            "openai:NAME, gemini:NAME, baseline:frequency ... Repeat for several.",
            metavar="SPEC",
        ),
    ],
    benchmark: Annotated[
        str, typer.Option(help="vsi-bench, rooms, your own file, or a hub id.")
    ] = "vsi-bench",
    subset: Annotated[str, typer.Option(help="vsi-bench: full, debiased or pruned.")] = "full",
    data: Annotated[
        Path | None, typer.Option(help="vsi-bench: the folder it was fetched to.")
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Your own questions: the folder of their videos.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames sampled from each video.")] = FRAMES,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Use only the first N videos, with all their questions."),
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Use only these tasks or question types, comma-separated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder (default: runs/BENCHMARK/MODEL); with several models, "
            "the folder that holds a run folder for each."
        ),
    ] = None,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Retry failed questions.")
    ] = False,
    no_video: Annotated[
        bool,
        typer.Option(
            "--no-video",
            help="Do not decode videos, for adapters that do not look at them; baselines never do.",
        ),
    ] = False,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "sdpa",
    time_instruction: TimeOption = False,
    blind: BlindOption = False,
    max_new_tokens: NewTokensOption = 1024,
    wording: WordingOption = "vica",
    group_size: GroupOption = 0,
    vision_batch: VisionOption = 8,
    compile: CompileOption = False,  # noqa: A002  (the option's name)
    base_url: BaseUrlOption = "",
    image_size: ImageSizeOption = 512,
    jpeg_quality: JpegOption = 90,
    as_frames: AsFramesOption = False,
    concurrency: ConcurrencyOption = 8,
    request_timeout: RequestTimeoutOption = 120.0,
    max_retries: MaxRetriesOption = 5,
    retry_wait: RetryWaitOption = 1.0,
    max_requests: MaxRequestsOption = None,
    max_cost: MaxCostOption = None,
    prices: PricesOption = "",
    seed: Annotated[int, typer.Option(help="Seed of the randomness in the adapter.")] = 0,
    workers: WorkersOption = None,
    prefetch: PrefetchOption = None,
    frame_cache: FrameCacheOption = None,
    frame_cache_size: CacheSizeOption = None,
    video_timeout: TimeoutOption = VIDEO_TIMEOUT,
    answer_timeout: AnswerTimeoutOption = None,
    decoder: DecoderOption = "auto",
    executor: ExecutorOption = None,
    devices: DevicesOption = None,
    address: AddressOption = None,
    gpus_per_worker: GpusOption = None,
    replicas: ReplicasOption = None,
    shard: ShardOption = None,
    protocol: ProtocolOption = "official",
    table: FormatOption = "terminal",
    published: PublishedOption = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Ask nothing: print what the run would ask, and the tokens, memory, hours and "
            "cost as far as they are known.",
        ),
    ] = False,
) -> None:
    """Answer a benchmark's questions, save the answers in a run folder, print the scores.

    Repeat the same command to continue an interrupted run. Exit code 1: some
    questions have no answer.
    """
    given = locals()
    check_format(table)
    options = run_options(given)
    checked = RunOptions.of(options, frames=frames)
    checked.check()
    part = None if shard is None else shard_named(shard, checked)
    rule = find_protocol(protocol)
    unseen = [never_looks(spec) for spec in model]  # also refuses a misspelt model
    if dry_run and published:
        raise ConfigError("--dry-run prints no scores: leave out --published.")
    asked = vb.benchmark(
        benchmark,
        subset=subset,
        data=data,
        videos=videos,
        limit=limit,
        tasks=tasks_named(tasks),
        videos_needed=not (dry_run or no_video or all(unseen)),
    )
    check_published(published, asked.benchmark.name, asked.benchmark.questions)
    how = {"frames": frames, "seed": seed, "retry_errors": retry_errors, "shard": part, **options}
    folders = run_folders(model, asked.benchmark.name, out=out, blind=blind)
    if dry_run:
        _show([vb.run_plan(spec, asked, out=path, **how) for spec, path in folders.items()], table)
        return
    how["protocol"] = protocol
    runs = [vb.run(spec, asked, out=path, **how) for spec, path in folders.items()]
    rows = [run.scores(rule) for run in runs]
    print_table(rows, name=table, published=published)
    say("Answers: " + ", ".join(f"{run.path}" for run in runs))
    failed = any(row.overall.failed for row in rows)
    if failed:
        say("Some questions have no answer (exit code 1); --retry-errors retries them.")
    sys.exit(1 if failed else 0)


def _show(plans: Sequence[vb.RunPlan], table: str) -> None:
    print_sheets(
        [plan.sheet() for plan in plans],
        name=table,
        csv=lambda: plans_csv(plans),
        json=lambda: plans_json(plans),
    )


def run_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Select the options that `vicabench.run` takes as keyword options."""
    return {name: given[name] for name in RunOptions.names()}
