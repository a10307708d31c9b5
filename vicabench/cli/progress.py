"""The message of a command on Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from vicabench.screen import echo

KEPT = "What was done is kept. Repeat the same command to continue."


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Exit with code 130 and one line of advice on Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        echo(f"vicabench: interrupted. {advice}", err=True)
        raise typer.Exit(130) from None
