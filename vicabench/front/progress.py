"""Progress on standard error: a live bar in a terminal, a line now and then in a log file."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from vicabench.engine.timing import Timing, account
from vicabench.errors import counted
from vicabench.harnesses.protocols import Protocol
from vicabench.predictions import Prediction
from vicabench.scoring.grade import grade
from vicabench.screen import echo
from vicabench.types import TASKS, Question

LONGEST = 1000  # characters of a message; an error may hold a whole page of HTML
LOG_LINES = 10  # how many progress lines a log file gets for a whole run


def _bar(console: Console, *columns: TextColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        *columns,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


@contextmanager
def building(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that appears once something is being built: yields the callback (done, total)."""
    with _bar(console) as progress:
        tasks: list[TaskID] = []

        def advance(done: int, total: int) -> None:
            if not tasks:
                console.print(Text(f"{title}: once, then it is kept", style="dim"))
                tasks.append(progress.add_task(title, total=total))
            progress.update(tasks[0], completed=done, total=total)

        try:
            yield advance
        except KeyboardInterrupt:
            progress.stop()
            said = "Interrupted. What was built is kept; the same command continues."
            console.print(Text(said, style="dim"), soft_wrap=True)
            raise


@contextmanager
def bar(terminal: Console, title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A progress bar, and the function that moves it."""
    if not (terminal.is_terminal or terminal.quiet):  # a log has the bar only when it is full
        terminal.print(f"{title} ...")
    columns = (*Progress.get_default_columns()[:-1], TimeElapsedColumn())
    with Progress(*columns, console=terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done, total: progress.update(task, completed=done, total=total)
        progress.update(task, completed=total)  # also what was there already


@contextmanager
def byte_progress(terminal: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each file on standard error; yields what `fetch` calls to move it."""
    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=terminal)

    def move(name: str, done: int, total: int) -> None:
        bars.start()
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=total)
        bars.update(tasks[name], completed=done)

    try:
        yield move
    finally:
        if tasks:
            bars.stop()


class RunningScore:
    """The macro mean so far, over the questions answered so far, in percent.

    Without a protocol nothing is graded, and only failures are counted.
    """

    def __init__(self, protocol: Protocol | None) -> None:
        self._protocol = protocol
        self._scores: dict[str, list[float]] = defaultdict(list)
        self.failed = 0

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Grade more predictions."""
        for p in predictions:
            if self._protocol and p.asked:
                self._scores[p.question.task].append(grade(p, self._protocol).score)
            self.failed += p.response is None

    def __str__(self) -> str:
        means = {kind: sum(scores) / len(scores) for kind, scores in self._scores.items()}
        tasks = [
            sum(found) / len(found)
            for task in TASKS
            if (found := [means[kind] for kind in task.types if kind in means])
        ]
        score = f"{100 * sum(tasks) / len(tasks):.1f}" if tasks else "–"
        said = [f"score {score}"] if self._protocol else []
        return ", ".join([*said, *([f"{self.failed} failed"] if self.failed else [])])


class RunDisplay:
    """Shows one run: videos, questions, running score if there is a protocol, time left."""

    def __init__(
        self, console: Console, model: str, selected: Sequence[Question], protocol: Protocol | None
    ) -> None:
        self._console = console
        self._model = model
        self._selected = selected
        self._score = RunningScore(protocol)
        self._bar = _bar(console, TextColumn("videos  {task.fields[state]}", markup=False))
        self._videos = self._videos_done = 0
        self._warnings: set[str] = set()
        self.done = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away; what is printed next stands alone."""
        self._bar.stop()

    def started(
        self, owed: Mapping[str, Sequence[Question]], done: Sequence[Prediction], torn: int
    ) -> None:
        """Say what is resumed, and show the bar for what is owed."""
        asked_again = {question.id for questions in owed.values() for question in questions}
        kept = [p for p in done if p.question.id not in asked_again]
        self._score.add(kept)
        self.done = len(kept)
        if done or torn:
            torn_note = f"; a torn last line of {counted(torn, 'byte')} was cut off" if torn else ""
            self.say(
                f"{self._model}: {counted(len(kept), 'answer is', 'answers are')} there "
                f"already{torn_note}"
            )
        self._videos = len(owed)
        self._task = self._bar.add_task(self._model, total=self._videos, state=self._state())

    def answered(self, predictions: Sequence[Prediction]) -> None:
        """Count one more video."""
        self._score.add(predictions)
        self.done += len(predictions)
        self._videos_done += 1
        self._bar.update(self._task, advance=1, state=self._state())
        for error in sorted({p.answer.error for p in predictions if p.answer.error}):
            self.say(f"{predictions[0].question.video}: {error}")
        every = math.ceil(self._videos / LOG_LINES)
        due = self._videos_done % every == 0 or self._videos_done == self._videos
        if due and not self._console.is_terminal:
            videos = counted(self._videos, "video")
            self.say(f"{self._model}: {self._videos_done}/{videos}, {self._state()}")

    def warned(self, text: str) -> None:
        """Say what is wrong, once."""
        if text not in self._warnings:
            self._warnings.add(text)
            self.say(text)

    def timed(self, timing: Timing) -> None:
        """Say how the time was spent."""
        for line in account(timing):
            self.say(f"{self._model}: {line}")

    def given_up(self, text: str) -> NoReturn:
        """Say why the run ends, and end the process, whose main thread hangs: exit code 2."""
        self.close()
        echo(f"vicabench: {text}", err=True)
        os._exit(2)

    def _state(self) -> str:
        return f"{self.done}/{counted(len(self._selected), 'question')}  {self._score}".rstrip()

    def say(self, text: str) -> None:
        """A line beside the bar; whatever is in it cannot harm the terminal, nor fill it."""
        long = f"{text[:LONGEST]}… ({counted(len(text), 'character')})"
        shown = text if len(text) <= LONGEST else long
        self._console.print(Text(shown, style="dim"), soft_wrap=True)


class Counting:
    """Shows how many of so many are done; a context manager that takes the bar away again."""

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title = console, title
        self._bar = _bar(console, TextColumn("{task.fields[state]}", markup=False))
        self._total = self._done = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
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
