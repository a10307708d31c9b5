"""`vicabench ask`: questions about a video of your own, which is encoded once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vicabench.cli.options import (
    AttentionOption,
    DecoderOption,
    DeviceOption,
    DtypeOption,
    GroupOption,
    NewTokensOption,
    TimeOption,
    TimeoutOption,
    VisionOption,
    filled,
)
from vicabench.options import FRAMES, VIDEO_TIMEOUT


def command(
    video: Annotated[Path, typer.Argument(help="The video's file.")],
    question: Annotated[
        list[str] | None,
        typer.Argument(help="What to ask; without any, questions are read line by line."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A checkpoint of ViCA or ViCA2: a hub id or folder.", metavar="SPEC")
    ] = "nkkbr/ViCA2",
    frames: Annotated[int, typer.Option(min=1, help="Frames sampled from the video.")] = FRAMES,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "sdpa",
    time_instruction: TimeOption = False,
    max_new_tokens: NewTokensOption = 1024,
    group_size: GroupOption = 0,
    vision_batch: VisionOption = 8,
    video_timeout: TimeoutOption = VIDEO_TIMEOUT,
    decoder: DecoderOption = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each answer.")
    ] = False,
) -> None:
    """Encode a video once and answer each question about it, from the arguments or at a prompt.

    Exit code 1: a question has no answer.
    """
    given = {**locals(), "questions": tuple(question or ())}
    from vicabench.cli.asking import Request, ask_all
    from vicabench.types import ModelOptions

    options = filled(ModelOptions, {**asdict(ModelOptions()), **given})
    ask_all(filled(Request, {**given, "options": options}))
