"""Options of models behind an API."""

from __future__ import annotations

from typing import Annotated

import typer

from vicabench.cli.options import LONGEST_TIMEOUT, AttentionOption, DeviceOption, DtypeOption
from vicabench.cli.usage import API

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
        hidden=True,
    ),
]
JpegOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=95,
        help="JPEG quality of frames; changes answers.",
        rich_help_panel=API,
        hidden=True,
    ),
]
AsFramesOption = Annotated[
    bool,
    typer.Option(
        "--as-frames",
        help="gemini: send the sampled frames instead of the video.",
        rich_help_panel=API,
        hidden=True,
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
        metavar="SECONDS",
        rich_help_panel=API,
        hidden=True,
    ),
]
MaxRetriesOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="Maximum number of retries after a temporary failure.",
        rich_help_panel=API,
        hidden=True,
    ),
]
RetryWaitOption = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=60.0,
        help="Seconds before the first retry, doubled for each further one; a server's "
        "Retry-After is honoured.",
        metavar="SECONDS",
        rich_help_panel=API,
        hidden=True,
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
BatchOption = Annotated[
    bool,
    typer.Option(
        "--batch",
        help="openai: models: send requests as jobs, answered within a day at half the price.",
        rich_help_panel=API,
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
