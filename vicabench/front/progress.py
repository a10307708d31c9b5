"""Progress: a live bar in a terminal or a notebook, occasional lines in a log file."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from vicabench.engine.timing import Timing, account
from vicabench.errors import counted
from vicabench.harnesses.protocols import Protocol, protocol_for
from vicabench.predictions import Prediction
from vicabench.rubric import VSI, Rubric
from vicabench.scoring.grade import grade
from vicabench.screen import as_text, echo
from vicabench.types import Question

LONGEST = 1000  # characters of a message; errors of servers may hold whole pages of HTML
LOG_LINES = 10  # progress lines per run in a log file


class NotebookProgress(Progress):
    """A bar as the output of a notebook's cell, which is replaced a few times a second.

    It stays there when the work is done, as the outputs of cells do.
    """

    EVERY = 0.25
    """Seconds between two drawings."""
    _handle: Any = None
    _drawn = -math.inf

    def start(self) -> None:
        """Draw nothing yet: there may be nothing to do."""

    def stop(self) -> None:
        """Draw the last state."""
        self.refresh()

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """As in rich; draws the bar if it was last drawn some time ago."""
        super().update(task_id, **changes)
        if time.monotonic() - self._drawn >= self.EVERY:
            self.refresh()

    def refresh(self) -> None:
        """Draw the bar, in the place where it was drawn before."""
        if not self.tasks or self.disable:
            return
        from IPython.display import display  # noqa: PLC0415  (there is one only in a notebook)

        self._drawn = time.monotonic()
        shown = {"text/plain": as_text(lambda page: page.print(self.get_renderable())).rstrip()}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(shown, raw=True)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    module = sys.modules.get("IPython")
    return module is not None and hasattr(module.get_ipython(), "kernel")


def is_live(console: Console) -> bool:
    """Whether bars are drawn anew as work goes on, so that lines about it are not needed."""
    return console.is_terminal or in_notebook()


def bars(console: Console, *columns: ProgressColumn, **options: Any) -> Progress:
    """Bars with these columns, in a terminal or a notebook."""
    kind = NotebookProgress if in_notebook() else Progress
    return kind(*columns, console=console, **options)


def _bar(console: Console, *columns: TextColumn) -> Progress:
    return bars(
        console,
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        *columns,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        disable=console.quiet or not is_live(console),
        transient=True,
    )


def is_due(done: int, total: int) -> bool:
    """Whether a log, which gets about `LOG_LINES` lines in all, shows this step."""
    return done % math.ceil(total / LOG_LINES) == 0 or done == total


@contextmanager
def building(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar, or a log's lines, once something is built; yields a callback `(done, total)`."""
    with _bar(console) as progress:
        tasks: list[TaskID] = []

        def advance(done: int, total: int) -> None:
            if not tasks:
                console.print(Text(f"{title}: needed once, then kept", style="dim"))
                tasks.append(progress.add_task(title, total=total))
            elif not is_live(console) and is_due(done, total):
                console.print(Text(f"{title}: {done}/{total}", style="dim"), soft_wrap=True)
            progress.update(tasks[0], completed=done, total=total)

        try:
            yield advance
        except KeyboardInterrupt:
            progress.stop()
            text = "Interrupted. What was built is kept; repeat the same command to continue."
            console.print(Text(text, style="dim"), soft_wrap=True)
            raise


@contextmanager
def bar(terminal: Console, title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar; yields the callback `(done, total)` that moves it."""
    if not (is_live(terminal) or terminal.quiet):  # a log file shows the bar only when it is full
        terminal.print(f"{title} ...")
    columns = (*Progress.get_default_columns()[:-1], TimeElapsedColumn())
    with bars(terminal, *columns, disable=terminal.quiet) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done, total: progress.update(task, completed=done, total=total)
        progress.update(task, completed=total)  # existing items are not reported one by one


@contextmanager
def byte_progress(terminal: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each file; yields the callback `(name, done, total)` that moves it."""
    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    progress = bars(terminal, *columns, disable=terminal.quiet)

    def move(name: str, done: int, total: int) -> None:
        progress.start()
        if name not in tasks:
            tasks[name] = progress.add_task(name, total=total)
        progress.update(tasks[name], completed=done)

    try:
        yield move
    finally:
        if tasks:
            progress.stop()


@contextmanager
def records_read(terminal: Console) -> Iterator[Callable[[str, int], None]]:
    """Show how many records of a file are read; yields the callback `(file name, records)`."""
    progress = bars(
        terminal,
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
        disable=terminal.quiet or not is_live(terminal),
        transient=True,
    )
    with progress:
        task = progress.add_task("Reading", total=None, state="")

        def advance(name: str, done: int) -> None:
            progress.update(task, description=name, state=counted(done, "record"))

        yield advance


class RunningScore:
    """The mean over tasks of the questions answered so far, in percent, whatever the headline.

    Without a protocol, only failures are counted.
    """

    def __init__(self, protocol: Protocol | None, rubric: Rubric = VSI) -> None:
        self._protocol = protocol and protocol_for(rubric, protocol)
        self._rubric = rubric
        self._scores: dict[str, list[float]] = defaultdict(list)
        self.failed = 0

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Grade more predictions."""
        for p in predictions:
            if self._protocol and p.asked:
                self._scores[p.question.task].append(grade(p, self._protocol, self._rubric).score)
            self.failed += p.response is None

    def __str__(self) -> str:
        means = {kind: sum(scores) / len(scores) for kind, scores in self._scores.items()}
        tasks = [
            sum(scored) / len(scored)
            for task in self._rubric.tasks
            if (scored := [means[kind] for kind in task.types if kind in means])
        ]
        score = f"{100 * sum(tasks) / len(tasks):.1f}" if tasks else "–"
        parts = [f"score {score}"] if self._protocol else []
        return ", ".join([*parts, *([f"{self.failed} failed"] if self.failed else [])])


class RunDisplay:
    """Shows the progress of one run: videos, questions, running score, time left."""

    def __init__(
        self,
        console: Console,
        model: str,
        selected: Sequence[Question],
        protocol: Protocol | None,
        rubric: Rubric = VSI,
    ) -> None:
        self._console = console
        self._model = model
        self._selected = selected
        self._score = RunningScore(protocol, rubric)
        self._bar = _bar(console, TextColumn("videos  {task.fields[state]}", markup=False))
        self._videos, self._videos_done = 0, set[str]()
        self._warnings: set[str] = set()
        self.done = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()

    def started(
        self, owed: Mapping[str, Sequence[Question]], done: Sequence[Prediction], torn: int
    ) -> None:
        """Report the answers of earlier starts, and show the bar for the outstanding videos."""
        outstanding = {question.key for questions in owed.values() for question in questions}
        settled = [p for p in done if p.question.key not in outstanding]
        self._score.add(settled)
        self.done = len(settled)
        if done or torn:
            torn_note = f"; a torn last line of {counted(torn, 'byte')} was cut off" if torn else ""
            self.say(
                f"{self._model}: {counted(len(settled), 'answer is', 'answers are')} there "
                f"already{torn_note}"
            )
        self._videos = len(owed)
        self._task = self._bar.add_task(self._model, total=self._videos, state=self._state())

    def answered(self, predictions: Sequence[Prediction]) -> None:
        """Count one more video, and report its errors."""
        self._score.add(predictions)
        self.done += len(predictions)
        self._videos_done.add(predictions[0].question.video)
        done = len(self._videos_done)
        self._bar.update(self._task, completed=done, state=self._state())
        for error in sorted({p.answer.error for p in predictions if p.answer.error}):
            self.say(f"{predictions[0].question.video}: {error}")
        if is_due(done, self._videos) and not is_live(self._console):
            videos = counted(self._videos, "video")
            self.say(f"{self._model}: {done}/{videos}, {self._state()}")

    def warned(self, text: str) -> None:
        """Print a warning once."""
        if text not in self._warnings:
            self._warnings.add(text)
            self.say(text)

    def timed(self, timing: Timing) -> None:
        """Report how the time was spent."""
        for line in account(timing):
            self.say(f"{self._model}: {line}")

    def given_up(self, text: str) -> NoReturn:
        """Report why the run ends, and exit with code 2."""
        self.close()
        echo(f"vicabench: {text}", err=True)
        os._exit(2)  # the main thread hangs, so an exception could not end the process

    def _state(self) -> str:
        total = len(self._selected)
        again = any(question.repeat for question in self._selected)
        what = counted(total, "reply", "replies") if again else counted(total, "question")
        return f"{self.done:,}/{what}  {self._score}".rstrip()

    def say(self, text: str) -> None:
        """Print a line above the bar, truncated and without control characters."""
        long = f"{text[:LONGEST]}… ({counted(len(text), 'character')})"
        shown = text if len(text) <= LONGEST else long
        self._console.print(Text(shown, style="dim"), soft_wrap=True)


class Counting:
    """A context manager that shows a bar with the number of finished items."""

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
        """Show the bar for this number of items."""
        self._total = total
        self._task = self._bar.add_task(self._title, total=total, state="")

    def advance(self, state: str = "") -> None:
        """Count one more item; `state` is a text about all items so far."""
        self._done += 1
        self._bar.update(self._task, advance=1, state=state)
        if is_due(self._done, self._total) and not is_live(self._console):
            self.say(f"{self._title}: {self._done}/{self._total}{', ' if state else ''}{state}")

    def say(self, text: str) -> None:
        """Print a line above the bar, without control characters."""
        self._console.print(Text(text, style="dim"), soft_wrap=True)
