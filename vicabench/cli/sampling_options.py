"""Options that say how a model's replies are sampled, and how often it is asked."""

from __future__ import annotations

from typing import Annotated

import typer

from vicabench.cli.usage import MODEL

TemperatureOption = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=100.0,
        help="Draw replies at this temperature; 0 takes the likeliest token.",
        metavar="T",
        rich_help_panel=MODEL,
    ),
]
RepeatsOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=1000,
        help="Ask for K replies to each question, drawn from one reading of the video.",
        metavar="K",
        rich_help_panel=MODEL,
    ),
]
TopPOption = Annotated[
    float,
    typer.Option(
        min=1e-6,
        max=1.0,
        help="With --temperature: draw from the fewest tokens with this probability together.",
        metavar="P",
        rich_help_panel=MODEL,
        hidden=True,
    ),
]
TopKOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="With --temperature: draw from the K likeliest tokens; 0 for all.",
        metavar="K",
        rich_help_panel=MODEL,
        hidden=True,
    ),
]
PresenceOption = Annotated[
    float,
    typer.Option(
        "--presence-penalty",
        min=-100.0,
        max=100.0,
        help="Lower the score of each token that a reply already has by this.",
        metavar="X",
        rich_help_panel=MODEL,
        hidden=True,
    ),
]
RepetitionOption = Annotated[
    float | None,
    typer.Option(
        "--repetition-penalty",
        min=1e-3,
        max=100.0,
        help="Divide the scores of tokens that were used by this, as in transformers.",
        metavar="X",
        show_default="the checkpoint's",
        rich_help_panel=MODEL,
        hidden=True,
    ),
]
