"""Options that several commands share."""

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
        help="official, lmms-eval, vlmevalkit, extracted, or that of a benchmark (revsi, "
        "osi-bench, sti-bench, dsi-bench, vsi-super); several comma-separated.",
    ),
]
PublishedOption = Annotated[
    bool, typer.Option("--published", help="Show published VSI-Bench rows beside ours.")
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="Device of the model: cuda, cuda:1, cpu ...; auto is a GPU if there is one.",
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
        help="sdpa, flash_attention_2 or eager, for the encoders and the shared prefill; question "
        "tokens always use our own attention."
    ),
]
TimeOption = Annotated[
    bool, typer.Option("--time-instruction", help="Tell the model the time of each frame.")
]
BlindOption = Annotated[
    bool,
    typer.Option("--blind", help="Show grey frames, to see what language alone can answer."),
]
WordingOption = Annotated[
    str, typer.Option(help="The prompt: vica (the models' own evaluation) or vsi-bench.")
]
NewTokensOption = Annotated[
    int, typer.Option(min=1, help="Maximum tokens in a reply; Thinking models need 1024 or more.")
]
GroupOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="Maximum number of questions answered together; 0: all of a video. Costs memory; may "
        "change long replies in bfloat16.",
    ),
]
VisionOption = Annotated[
    int, typer.Option(min=1, help="Frames that an encoder processes at once; costs memory.")
]
CompileOption = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile encoders and feed-forward layers with torch; adds minutes at the start.",
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        min=0.1, max=LONGEST_TIMEOUT, help="Seconds after which decoding of a video is abandoned."
    ),
]
DecoderOption = Annotated[
    str,
    typer.Option(
        help="auto; pyav, which decodes every frame before the sampled ones; or decord, as the "
        "reference code, with a warning where its frames differ."
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
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes that decode ahead (default: one per 4 cores, from 1 to 4).",
        show_default=False,
    ),
]
PrefetchOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Maximum number of videos decoded ahead, of 59 MB each at 64 frames of 640x480 "
        "(default: 2, or the number of workers).",
        show_default=False,
    ),
]
FrameCacheOption = Annotated[
    Path | None,
    typer.Option(
        help="Cache decoded frames in this folder, for other runs on the same videos.",
        metavar="DIR",
    ),
]
CacheSizeOption = Annotated[
    str | None,
    typer.Option(
        help=f"Maximum size of the frame cache (default: {CACHE_SIZE}).", show_default=False
    ),
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(
        help="here (this process), local (one process per device of --devices) or ray (a cluster).",
        show_default="here",
    ),
]
DevicesOption = Annotated[
    str | None,
    typer.Option(
        help="Answer on several local devices at once: 0,1,2,3 (GPUs) or cpu,cpu.",
        metavar="LIST",
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(help="ray: address of the cluster (default: the local one).", metavar="HOST:PORT"),
]
GpusOption = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        help="ray: GPUs per worker (default: 1, or 0 without GPUs).",
        show_default=False,
    ),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="ray: number of workers (default: as many as the GPUs allow, or one per machine).",
        show_default=False,
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        help="Run only one part of the videos, such as 2/8, into a separate folder for vicabench "
        "merge; auto takes the part from the rank set by srun or torchrun.",
        metavar="I/N",
    ),
]

API = "Models behind an API"
BaseUrlOption = Annotated[
    str,
    typer.Option(
        help="Your own server with the same API, such as vLLM: http://localhost:8000/v1",
        metavar="URL",
        rich_help_panel=API,
    ),
]
ImageSizeOption = Annotated[
    int,
    typer.Option(
        min=16,
        help="Maximum longer side of a frame in pixels; changes answers.",
        rich_help_panel=API,
    ),
]
JpegOption = Annotated[
    int,
    typer.Option(
        min=1, max=95, help="JPEG quality of frames; changes answers.", rich_help_panel=API
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
    int, typer.Option(min=1, help="Maximum number of concurrent requests.", rich_help_panel=API)
]
RequestTimeoutOption = Annotated[
    float,
    typer.Option(
        min=0.1,
        max=LONGEST_TIMEOUT,
        help="Seconds within which the complete reply must arrive.",
        rich_help_panel=API,
    ),
]
MaxRetriesOption = Annotated[
    int,
    typer.Option(
        min=0, help="Maximum number of retries after a temporary failure.", rich_help_panel=API
    ),
]
RetryWaitOption = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=60.0,
        rich_help_panel=API,
        help="Seconds before the first retry, doubled for each further one; a server's "
        "Retry-After is honoured.",
    ),
]
MaxRequestsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Maximum number of requests to send.", rich_help_panel=API),
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(
        min=0.0, help="Stop before the cost exceeds this; needs --prices.", rich_help_panel=API
    ),
]
PricesOption = Annotated[
    str,
    typer.Option(
        help="JSON or YAML with the price of a million tokens, by model (docs/apis.md).",
        metavar="FILE",
        rich_help_panel=API,
    ),
]


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
            if name not in but and name not in own.parameters
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
    """Declare the options of calling or running a language model."""


def tasks_named(text: str | None) -> tuple[str, ...]:
    """The tasks in a comma-separated list."""
    return () if text is None else tuple(name.strip() for name in text.split(","))
