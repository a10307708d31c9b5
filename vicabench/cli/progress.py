"""What a command says on Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from vicabench.screen import echo

KEPT = "What was done is kept: type the same command again to continue."


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """End with exit code 130 and one line of advice on Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        echo(f"vicabench: interrupted. {advice}", err=True)
        raise typer.Exit(130) from None
