"""Options that commands share or that are about models, and defaults that checks need."""

from __future__ import annotations

from typing import Annotated

import typer

FRAMES = 64  # as the ViCA reports evaluate
WORKERS = 1
VIDEO_TIMEOUT = 120.0
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
