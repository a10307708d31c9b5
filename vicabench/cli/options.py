"""Options that commands share or that are about models, and defaults that checks need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, TypeVar

import typer

T = TypeVar("T")

FRAMES = 64  # as the ViCA reports evaluate
WORKERS = 1
VIDEO_TIMEOUT = 120.0
LONGEST_TIMEOUT = 86_400.0

FormatOption = Annotated[
    str, typer.Option("--format", help="terminal, markdown, latex, csv or json.")
]
ProtocolOption = Annotated[str, typer.Option(help="Grading protocol of the table.")]
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
AttentionOption = Annotated[str, typer.Option(help="sdpa, flash_attention_2 or eager.")]
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
    typer.Option(min=0, help="Questions answered together at most; 0: all of a video. Memory."),
]
VisionOption = Annotated[
    int, typer.Option(min=1, help="Frames that an encoder sees at once. Memory.")
]
CompileOption = Annotated[
    bool, typer.Option("--compile", help="Let torch compile the model: slow to start, then faster.")
]


def filled(kind: type[T], given: Mapping[str, Any]) -> T:
    """A dataclass whose fields are the options of the same names, which must all be there."""
    return kind(**{field.name: given[field.name] for field in fields(kind)})  # type: ignore[arg-type]
