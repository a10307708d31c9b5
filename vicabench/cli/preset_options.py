"""Options about how a harness asks: a whole preset, and each part of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vicabench.cli.completing import complete_preset
from vicabench.cli.usage import ASKED, MODEL, VIDEO

PresetOption = Annotated[
    str | None,
    typer.Option(
        "--as",
        help="Ask as a harness does, such as lmms-eval@0.7.2; a bare name is its newest version. "
        "Replies are read as it does, too. What is typed beside it wins; --dry-run shows what it "
        "decides.",
        metavar="NAME@VERSION",
        rich_help_panel=ASKED,
        autocompletion=complete_preset,
        show_default="none",
    ),
]
WithMapOption = Annotated[
    str | None,
    typer.Option(
        help="Ask with a cognitive map in the prompt: true (Rooms; VSI-Bench with --meta), own "
        "(those of vicabench maps in its default folder), or a run folder of vicabench maps.",
        metavar="true|own|DIR",
        rich_help_panel=ASKED,
        show_default="none",
    ),
]
MetaOption = Annotated[
    Path | None,
    typer.Option(
        help="The folder of VSI-Bench's *_meta_info_*.json, for the true maps of its scenes.",
        metavar="DIR",
        rich_help_panel=ASKED,
    ),
]
SystemOption = Annotated[
    str | None,
    typer.Option(
        help="The system prompt.",
        metavar="TEXT",
        rich_help_panel=MODEL,
        show_default="that of the chat template",
        hidden=True,
    ),
]
FramesAsOption = Annotated[
    str,
    typer.Option(
        help="Give frames as a video, as images, or (auto) as the model can; to APIs as images.",
        metavar="NAME",
        rich_help_panel=VIDEO,
        hidden=True,
    ),
]
FrameRuleOption = Annotated[
    str | None,
    typer.Option(
        help="Which frames are taken: lin, vila, seg, inner, tail, seconds, qwen or qwen-lin "
        "(docs/presets.md).",
        metavar="NAME",
        rich_help_panel=VIDEO,
        show_default="lin",
        hidden=True,
    ),
]
MinPixelsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="The least pixels of a frame, which is enlarged to them.",
        rich_help_panel=VIDEO,
        show_default="the checkpoint's",
        hidden=True,
    ),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="The most pixels of a frame, which is reduced to them.",
        rich_help_panel=VIDEO,
        show_default="the checkpoint's",
        hidden=True,
    ),
]
TotalPixelsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="The most pixels of all pairs of frames of a video.",
        rich_help_panel=VIDEO,
        show_default="the checkpoint's",
        hidden=True,
    ),
]
AssumeFpsOption = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=1000.0,
        help="Tell the model that frames are so many a second, whatever the file says.",
        metavar="RATE",
        rich_help_panel=VIDEO,
        show_default="none",
        hidden=True,
    ),
]
GenerationOption = Annotated[
    Path | None,
    typer.Option(
        help="Take settings of generation from this file of JSON or YAML.",
        metavar="FILE",
        rich_help_panel=MODEL,
        show_default="none",
        hidden=True,
    ),
]
