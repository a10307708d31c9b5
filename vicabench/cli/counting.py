"""Progress of a command that asks one prompt after another: a live bar, or lines in a log."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LOG_LINES = 10


class Counting:
    """Shows how many of so many are done; a context manager that takes the bar away again."""

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title = console, title
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._total = self._done = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begin(self, total: int) -> None:
        """So many are to be done."""
        self._total = total
        self._task = self._bar.add_task(self._title, total=total, state="")

    def advance(self, state: str = "") -> None:
        """One more is done; `state` is what is to be said of all so far."""
        self._done += 1
        self._bar.update(self._task, advance=1, state=state)
        due = self._done % math.ceil(self._total / LOG_LINES) == 0 or self._done == self._total
        if due and not self._console.is_terminal:
            self.say(f"{self._title}: {self._done}/{self._total}{', ' if state else ''}{state}")

    def say(self, text: str) -> None:
        """A line beside the bar; whatever is in it cannot harm the terminal."""
        self._console.print(Text(text, style="dim"), soft_wrap=True)
