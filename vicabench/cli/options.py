"""Options that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vicabench.cli.completing import (
    complete_benchmark,
    complete_format,
    complete_protocol,
    complete_subset,
    complete_tasks,
)
from vicabench.cli.usage import ASKED, MODEL, OUTPUT, SPEED, VIDEO, WHERE
from vicabench.errors import ConfigError
from vicabench.options import CACHE_SIZE, FRAMES

LONGEST_TIMEOUT = 86_400.0

BENCHMARK_HELP = "A benchmark (`data list`), a folder or file of your own, or a hub id."
SUBSET_HELP = "A part of the benchmark, such as debiased or 64_frame."
DATA_HELP = "The folder that the benchmark was fetched to."
VIDEOS_HELP = "Your own questions: the folder of their videos."

BenchmarkOption = Annotated[
    str,
    typer.Option(
        help=BENCHMARK_HELP,
        metavar="NAME",
        rich_help_panel=ASKED,
        autocompletion=complete_benchmark,
    ),
]
BenchmarksOption = Annotated[
    list[str],
    typer.Option(
        "--benchmark",
        help=f"{BENCHMARK_HELP} Repeat it for several, which share each loaded model.",
        metavar="NAME",
        rich_help_panel=ASKED,
        autocompletion=complete_benchmark,
        show_default="vsi-bench",
    ),
]
SubsetOption = Annotated[
    str,
    typer.Option(
        help=SUBSET_HELP, metavar="NAME", rich_help_panel=ASKED, autocompletion=complete_subset
    ),
]
DataOption = Annotated[
    Path | None, typer.Option(help=DATA_HELP, metavar="DIR", rich_help_panel=ASKED)
]
VideosOption = Annotated[
    Path | None, typer.Option(help=VIDEOS_HELP, metavar="DIR", rich_help_panel=ASKED)
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Use only the first N videos, with all their questions.",
        rich_help_panel=ASKED,
    ),
]
TasksOption = Annotated[
    str | None,
    typer.Option(
        help="Use only these tasks, by name or printed title, or question types, comma-separated.",
        metavar="LIST",
        rich_help_panel=ASKED,
        autocompletion=complete_tasks,
    ),
]
FramesOption = Annotated[
    int, typer.Option(min=1, help="Frames sampled from each video.", rich_help_panel=VIDEO)
]
RunFramesOption = Annotated[
    int | None,
    typer.Option(
        "--frames",
        min=1,
        help="Frames sampled from each video.",
        show_default=f"{FRAMES}, or the benchmark's own",
        rich_help_panel=VIDEO,
    ),
]
FpsOption = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=1000.0,
        help="Frames a second, in place of a number of frames.",
        metavar="RATE",
        rich_help_panel=VIDEO,
        show_default="none",
    ),
]
MaxFramesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="With --fps: at most so many, which are uniform then.",
        rich_help_panel=VIDEO,
        show_default="none",
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(help="Seed of sampled replies and random baselines.", rich_help_panel=MODEL),
]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        help="terminal, markdown, latex, csv or json.",
        metavar="NAME",
        rich_help_panel=OUTPUT,
        autocompletion=complete_format,
    ),
]
ProtocolOption = Annotated[
    str,
    typer.Option(
        help="Grading protocol of the table.",
        metavar="NAME",
        rich_help_panel=OUTPUT,
        autocompletion=complete_protocol,
    ),
]
ProtocolsOption = Annotated[
    str,
    typer.Option(
        "--protocol",
        help="official, lmms-eval, vlmevalkit, spatial-mllm, spacer, vst, extracted, or that of a "
        "benchmark (revsi, osi-bench, sti-bench, dsi-bench, vsi-super), also with a version "
        "(lmms-eval@0.7.2); several comma-separated.",
        metavar="LIST",
        rich_help_panel=OUTPUT,
        autocompletion=complete_protocol,
    ),
]
PublishedOption = Annotated[
    bool,
    typer.Option(
        "--published", help="Show published VSI-Bench rows beside ours.", rich_help_panel=OUTPUT
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="cuda, cuda:1, cpu ...; auto is a GPU if there is one.",
        rich_help_panel=SPEED,
    ),
]
DtypeOption = Annotated[
    str,
    typer.Option(
        help="float32, bfloat16 or float16; auto is bfloat16 on a GPU and float32 on a CPU.",
        metavar="NAME",
        rich_help_panel=SPEED,
    ),
]
AttentionOption = Annotated[
    str,
    typer.Option(
        help="sdpa, flash_attention_2 or eager, for the encoders and the shared prefill; question "
        "tokens always use our own attention.",
        metavar="NAME",
        rich_help_panel=SPEED,
        hidden=True,
    ),
]
TimeOption = Annotated[
    bool,
    typer.Option(
        "--time-instruction", help="Tell the model the time of each frame.", rich_help_panel=MODEL
    ),
]
BlindOption = Annotated[
    bool,
    typer.Option(
        "--blind",
        help="Show grey frames, to see what language alone can answer.",
        rich_help_panel=MODEL,
    ),
]
TextOnlyOption = Annotated[
    bool,
    typer.Option(
        "--text-only",
        help="Ask without any frames, and open no video.",
        rich_help_panel=MODEL,
    ),
]
WordingOption = Annotated[
    str,
    typer.Option(
        help="The prompt: vica (the models' own evaluation), vsi-bench, that of a preset, such "
        "as vlmevalkit, or a file of YAML or JSON.",
        metavar="NAME",
        rich_help_panel=MODEL,
    ),
]
NewTokensOption = Annotated[
    int,
    typer.Option(
        min=1,
        help="Maximum tokens in a reply; Thinking models need 1024 or more.",
        rich_help_panel=MODEL,
    ),
]
GroupOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="Maximum number of questions answered together; 0: all of a video. Costs memory; may "
        "change long replies in bfloat16.",
        rich_help_panel=SPEED,
    ),
]
VisionOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="Frames that an encoder processes at once; costs memory. 0: as many as are free for "
        "on a GPU, 8 elsewhere.",
        rich_help_panel=SPEED,
        hidden=True,
    ),
]
CompileOption = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile encoders and feed-forward layers with torch; adds minutes at the start.",
        rich_help_panel=SPEED,
        hidden=True,
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        min=0.1,
        max=LONGEST_TIMEOUT,
        help="Seconds after which decoding of a video is abandoned.",
        metavar="SECONDS",
        rich_help_panel=VIDEO,
        hidden=True,
    ),
]
DecoderOption = Annotated[
    str,
    typer.Option(
        help="auto; pyav, which decodes every frame before the sampled ones; or decord, as the "
        "reference code, with a warning where its frames differ.",
        metavar="NAME",
        rich_help_panel=VIDEO,
        hidden=True,
    ),
]
AnswerTimeoutOption = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        max=LONGEST_TIMEOUT,
        help="Seconds that an adapter may take for the questions of one video; after that the "
        "run ends and keeps its answers, or one of several workers is restarted (default: no "
        "limit).",
        show_default=False,
        metavar="SECONDS",
        rich_help_panel=WHERE,
        hidden=True,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes that decode ahead (default: one per 4 cores, from 1 to 4).",
        show_default=False,
        rich_help_panel=SPEED,
    ),
]
PrefetchOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Maximum number of videos decoded ahead, of 59 MB each at 64 frames of 640x480 "
        "(default: 2, or the number of workers).",
        show_default=False,
        rich_help_panel=SPEED,
        hidden=True,
    ),
]
FrameCacheOption = Annotated[
    Path | None,
    typer.Option(
        help="Cache decoded frames in this folder, for other runs on the same videos.",
        metavar="DIR",
        rich_help_panel=VIDEO,
    ),
]
CacheSizeOption = Annotated[
    str | None,
    typer.Option(
        help=f"Maximum size of the frame cache (default: {CACHE_SIZE}).",
        show_default=False,
        metavar="SIZE",
        rich_help_panel=VIDEO,
        hidden=True,
    ),
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(
        help="here (this process), local (one process per device of --devices) or ray (a cluster).",
        show_default="here",
        metavar="NAME",
        rich_help_panel=WHERE,
    ),
]
DevicesOption = Annotated[
    str | None,
    typer.Option(
        help="Answer on several local devices at once: 0,1,2,3 (GPUs) or cpu,cpu.",
        metavar="LIST",
        rich_help_panel=WHERE,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        help="ray: address of the cluster (default: the local one).",
        metavar="HOST:PORT",
        rich_help_panel=WHERE,
        hidden=True,
    ),
]
GpusOption = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        help="ray: GPUs per worker (default: 1, or 0 without GPUs).",
        show_default=False,
        metavar="N",
        rich_help_panel=WHERE,
        hidden=True,
    ),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="ray: number of workers (default: as many as the GPUs allow, or one per machine).",
        show_default=False,
        rich_help_panel=WHERE,
        hidden=True,
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        help="Run only one part of the videos, such as 2/8, into a separate folder for vicabench "
        "merge; auto takes the part from the rank set by srun or torchrun.",
        metavar="I/N",
        rich_help_panel=WHERE,
    ),
]
RetryErrorsOption = Annotated[
    bool,
    typer.Option("--retry-errors", help="Retry failed questions.", rich_help_panel=OUTPUT),
]


def only_one(benchmarks: Sequence[str]) -> str:
    """The benchmark of a command about a single one; ConfigError for several."""
    if len(benchmarks) > 1:
        raise ConfigError("This command is about one benchmark: give --benchmark once.")
    return benchmarks[0]


def with_options_of(
    other: Callable[..., None], *, but: Collection[str]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of `other` to a command as `**options`, except those named in `but`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        mine = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        theirs = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(other, eval_str=True).parameters.items()
            if name not in (*but, "ctx") and name not in own.parameters
        ]
        signature = own.replace(parameters=[*mine, *theirs])
        command.__signature__ = signature  # type: ignore[attr-defined]
        return command

    return decorate


def changed(other: Callable[..., None], options: Mapping[str, Any]) -> tuple[str, ...]:
    """The options of `other` that differ from their defaults, as typed: `--max-cost` ..."""
    parameters = inspect.signature(other).parameters
    names = [name for name, value in options.items() if value != parameters[name].default]
    return tuple("--" + name.replace("_", "-") for name in names)


def tasks_named(text: str | None) -> tuple[str, ...]:
    """The tasks in a comma-separated list."""
    return () if text is None else tuple(name.strip() for name in text.split(","))
