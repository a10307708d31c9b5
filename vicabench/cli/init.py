"""`vicabench init`: a folder with a benchmark of your own to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import vicabench as vb
from vicabench.screen import echo


def command(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
) -> None:
    """Write a benchmark of your own to start from: benchmark.yaml, questions and a video.

    The examples are about a generated room: replace them with your own questions.
    """
    vb.init(folder)
    echo(
        f"{folder} holds a benchmark with example questions. Change benchmark.yaml and "
        f"questions.jsonl, then type: vicabench data check {folder}"
    )
