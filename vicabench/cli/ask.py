"""`vicabench ask`: questions about one video, which is encoded once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from vicabench.cli.completing import complete_model
from vicabench.cli.options import (
    AttentionOption,
    DecoderOption,
    DeviceOption,
    DtypeOption,
    FramesOption,
    GroupOption,
    NewTokensOption,
    TimeOption,
    TimeoutOption,
    VisionOption,
)
from vicabench.cli.usage import MODEL as MODEL_PANEL
from vicabench.cli.usage import OUTPUT
from vicabench.errors import counted
from vicabench.front.ask import MODEL, check_questions, encoded
from vicabench.options import FRAMES, VIDEO_TIMEOUT
from vicabench.screen import console, echo, say
from vicabench.types import Answer


def command(
    video: Annotated[Path, typer.Argument(help="The video's file.")],
    question: Annotated[
        list[str] | None,
        typer.Argument(help="The questions; without any, they are read line by line."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="A checkpoint of ViCA or ViCA2: a hub id or folder.",
            metavar="SPEC",
            rich_help_panel=MODEL_PANEL,
            autocompletion=complete_model,
        ),
    ] = MODEL,
    frames: FramesOption = FRAMES,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "sdpa",
    time_instruction: TimeOption = False,
    max_new_tokens: NewTokensOption = 1024,
    wording: Annotated[
        str,
        typer.Option(
            help="The prompt: vica (as the models were trained) or vsi-bench, which asks for a "
            "single word or phrase.",
            metavar="NAME",
            rich_help_panel=MODEL_PANEL,
        ),
    ] = "auto",
    group_size: GroupOption = 0,
    vision_batch: VisionOption = 0,
    video_timeout: TimeoutOption = VIDEO_TIMEOUT,
    decoder: DecoderOption = "auto",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one line of JSON per answer.", rich_help_panel=OUTPUT),
    ] = False,
) -> None:
    """Encode a video once and answer questions about it, from the arguments or a prompt.

    Exit code 1: a question has no answer.
    """
    asked = tuple(question or ())
    check_questions(asked)
    with encoded(
        video,
        model=model,
        frames=frames,
        decoder=decoder,
        video_timeout=video_timeout,
        device=device,
        dtype=dtype,
        attention=attention,
        time_instruction=time_instruction,
        max_new_tokens=max_new_tokens,
        wording=wording,
        group_size=group_size,
        vision_batch=vision_batch,
    ) as about:
        failed = 0
        for questions in [asked] if asked else _typed(console(stderr=True)):
            for one, answer in zip(questions, about.answers(questions), strict=True):
                _show(one, answer, as_json=as_json)
                failed += answer.error is not None
    sys.exit(1 if failed else 0)


def _typed(terminal: Console) -> Iterator[tuple[str]]:
    """Yield the non-empty lines of standard input, with a prompt in a terminal."""
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # it is a text file
    if sys.stdin.isatty():
        say("Type a question; an empty line or Ctrl-D ends.")
    while True:
        if sys.stdin.isatty():
            terminal.print(Text("? ", style="bold"), end="")
        line = sys.stdin.readline()
        if not line or (sys.stdin.isatty() and not line.strip()):
            return
        if line.strip():
            yield (line.strip(),)


def _show(question: str, answer: Answer, *, as_json: bool) -> None:
    """Print an answer to standard output, and its time and tokens to standard error."""
    if as_json:
        fields = ("response", "error", "parts", "prompt_tokens", "new_tokens", "stop", "seconds")
        line = {"question": question, **{name: getattr(answer, name) for name in fields}}
        echo(json.dumps(line))
        return
    out = console()
    out.print(Text(question, style="bold"), soft_wrap=True)
    if answer.response is None:
        say(f"no answer: {answer.error}")
        return
    out.print(Text(answer.response), soft_wrap=True)
    cut = ", cut at --max-new-tokens" if answer.stop == "length" else ""
    made = "" if answer.new_tokens is None else f", {counted(answer.new_tokens, 'token')}"
    say(f"{answer.seconds:.1f} s{made}{cut}")
