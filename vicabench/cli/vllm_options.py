"""Options of models that vLLM runs."""

from __future__ import annotations

from typing import Annotated

import typer

from vicabench.cli.usage import SPEED

VllmPythonOption = Annotated[
    str,
    typer.Option(
        help="The interpreter of the environment that has vLLM.",
        metavar="PATH",
        rich_help_panel=SPEED,
        show_default="$VICABENCH_VLLM_PYTHON, or this one",
        hidden=True,
    ),
]
TensorParallelOption = Annotated[
    int,
    typer.Option(
        min=1, help="GPUs that vLLM spreads a model over.", rich_help_panel=SPEED, hidden=True
    ),
]
MaxModelLenOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Maximum tokens of a prompt and its reply in vLLM, which reserves memory for them.",
        rich_help_panel=SPEED,
        show_default="the checkpoint's",
        hidden=True,
    ),
]
GpuMemoryOption = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=1.0,
        help="The share of each GPU's memory that vLLM takes.",
        rich_help_panel=SPEED,
        show_default="vLLM's, 0.9",
        hidden=True,
    ),
]
