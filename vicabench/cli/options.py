"""Options that commands share or that are about models, and defaults that checks need."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vicabench.options import CACHE_SIZE

LONGEST_TIMEOUT = 86_400.0

FormatOption = Annotated[
    str, typer.Option("--format", help="terminal, markdown, latex, csv or json.")
]
ProtocolOption = Annotated[str, typer.Option(help="Grading protocol of the table.")]
ProtocolsOption = Annotated[
    str,
    typer.Option(
        "--protocol",
        help="official, lmms-eval, vlmevalkit, extracted; several with commas between.",
    ),
]
PublishedOption = Annotated[
    bool, typer.Option("--published", help="Show published VSI-Bench rows beside ours.")
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="Where the model runs: cuda, cuda:1, cpu ...; auto is a GPU if there is one.",
    ),
]
DtypeOption = Annotated[
    str,
    typer.Option(
        help="float32, bfloat16 or float16; auto is bfloat16 on a GPU and float32 on a CPU."
    ),
]
AttentionOption = Annotated[
    str,
    typer.Option(
        help="sdpa, flash_attention_2 or eager, for the encoders and the shared prefill; the "
        "questions' own tokens always use ours."
    ),
]
TimeOption = Annotated[
    bool, typer.Option("--time-instruction", help="Tell the model when each frame is.")
]
BlindOption = Annotated[
    bool,
    typer.Option("--blind", help="Show grey frames: what can be answered from language alone."),
]
WordingOption = Annotated[
    str, typer.Option(help="The prompt: vica (the models' own evaluation) or vsi-bench.")
]
NewTokensOption = Annotated[
    int, typer.Option(min=1, help="Tokens of a reply at most; Thinking models need 1024 and more.")
]
GroupOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="Questions answered together at most; 0: all of a video. Memory. In bfloat16 it may "
        "change long replies.",
    ),
]
VisionOption = Annotated[
    int, typer.Option(min=1, help="Frames that an encoder sees at once. Memory.")
]
CompileOption = Annotated[
    bool,
    typer.Option(
        "--compile", help="Let torch compile encoders and feed-forward layers: minutes to start."
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        min=0.1, max=LONGEST_TIMEOUT, help="Seconds after which decoding a video is given up."
    ),
]
DecoderOption = Annotated[
    str,
    typer.Option(
        help="auto; pyav, the same frames by decoding every one before them; or decord, as the "
        "reference code, with a warning where it gives others."
    ),
]
AnswerTimeoutOption = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        max=LONGEST_TIMEOUT,
        help="Seconds that an adapter may take over the questions of one video; after that the "
        "run ends with what it has, or one of several workers is started again (default: any "
        "time).",
        show_default=False,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes that decode ahead (default: one for every 4 cores, from 1 to 4).",
        show_default=False,
    ),
]
PrefetchOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Videos decoded ahead at most; 59 MB each at 64 frames of 640x480 (default: 2, or as "
        "many as workers).",
        show_default=False,
    ),
]
FrameCacheOption = Annotated[
    Path | None,
    typer.Option(
        help="Keep decoded frames in this folder, for other runs about the same videos.",
        metavar="DIR",
    ),
]
CacheSizeOption = Annotated[
    str | None,
    typer.Option(
        help=f"What the frame cache may grow to (default: {CACHE_SIZE}).", show_default=False
    ),
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(
        help="here (this process), local (a process for each of --devices) or ray (a cluster).",
        show_default="here",
    ),
]
DevicesOption = Annotated[
    str | None,
    typer.Option(
        help="Answer on several devices of this machine at once: 0,1,2,3 (GPUs) or cpu,cpu.",
        metavar="LIST",
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(help="ray: the cluster (default: this machine's).", metavar="HOST:PORT"),
]
GpusOption = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        help="ray: GPUs of each worker (default: 1, or 0 where there are none).",
        show_default=False,
    ),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="ray: workers (default: as many as the GPUs allow, or one for each machine).",
        show_default=False,
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        help="Ask about one part of the videos only, into a folder of its own, for vicabench "
        "merge: 2/8; auto: by the rank that srun or torchrun tells.",
        metavar="I/N",
    ),
]

API = "Models behind an API"
BaseUrlOption = Annotated[
    str,
    typer.Option(
        help="A server of your own that speaks the API, such as vLLM: http://localhost:8000/v1",
        metavar="URL",
        rich_help_panel=API,
    ),
]
ImageSizeOption = Annotated[
    int,
    typer.Option(
        min=16,
        help="Longer side of a frame at most, in pixels; changes answers.",
        rich_help_panel=API,
    ),
]
JpegOption = Annotated[
    int,
    typer.Option(
        min=1, max=95, help="Quality of a frame as JPEG; changes answers.", rich_help_panel=API
    ),
]
AsFramesOption = Annotated[
    bool,
    typer.Option(
        "--as-frames",
        help="gemini: send the sampled frames instead of the video.",
        rich_help_panel=API,
    ),
]
ConcurrencyOption = Annotated[
    int, typer.Option(min=1, help="Calls at once at most.", rich_help_panel=API)
]
RequestTimeoutOption = Annotated[
    float,
    typer.Option(
        min=0.1,
        max=LONGEST_TIMEOUT,
        help="Seconds until the whole reply must be there.",
        rich_help_panel=API,
    ),
]
MaxRetriesOption = Annotated[
    int,
    typer.Option(
        min=0, help="How often a failure that may pass is tried again.", rich_help_panel=API
    ),
]
RetryWaitOption = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=60.0,
        rich_help_panel=API,
        help="Seconds before the first retry, doubled for each that follows; a server's "
        "Retry-After is honoured.",
    ),
]
MaxRequestsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Send no more requests than this.", rich_help_panel=API),
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(
        min=0.0, help="Stop before more is spent than this; needs --prices.", rich_help_panel=API
    ),
]
PricesOption = Annotated[
    str,
    typer.Option(
        help="JSON or YAML: what a million tokens cost, by model (docs/apis.md).",
        metavar="FILE",
        rich_help_panel=API,
    ),
]


def with_options_of(
    other: Callable[..., None], *, but: Collection[str]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `other`, except those named in `but`, as `**options`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        mine = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        theirs = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(other, eval_str=True).parameters.items()
            if name not in but and name not in own.parameters
        ]
        signature = own.replace(parameters=[*mine, *theirs])
        command.__signature__ = signature  # type: ignore[attr-defined]
        return command

    return decorate


def changed(other: Callable[..., None], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Which of the options of `other` differ from their defaults, as they are typed."""
    parameters = inspect.signature(other).parameters
    names = [name for name, value in options.items() if value != parameters[name].default]
    return tuple("--" + name.replace("_", "-") for name in names)


def text_options(
    *,
    base_url: BaseUrlOption = "",
    concurrency: ConcurrencyOption = 8,
    request_timeout: RequestTimeoutOption = 120.0,
    max_retries: MaxRetriesOption = 5,
    retry_wait: RetryWaitOption = 1.0,
    max_requests: MaxRequestsOption = None,
    max_cost: MaxCostOption = None,
    prices: PricesOption = "",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "sdpa",
) -> None:
    """How a language model is called or run, whichever command does it."""


def tasks_named(text: str | None) -> tuple[str, ...]:
    """The tasks in a comma-separated list."""
    return () if text is None else tuple(name.strip() for name in text.split(","))
