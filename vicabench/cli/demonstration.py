"""What `vicabench demo` does: step by step, each of which is skipped if it is done."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from vicabench.adapters import SHIPPED
from vicabench.rooms.build import build
from vicabench.rooms.training import TrainingRooms, build_training
from vicabench.screen import console

Tell = Callable[[int, int], None]
CONFIG = "config.json"
BASE, SIGHTED, BLIND = "vica2-rooms-base", "ViCA2-Rooms", "ViCA2-Rooms-blind"
TEST_SEED_OFFSET = 1000
"""Test rooms are of the training's seed plus this."""
WIDTH, HEIGHT, FPS = 160, 120, 3
"""Of test films: more than the model sees."""
TEST, RUNS = "test", "runs"
ASKED = ("--benchmark", f"{TEST}/questions.jsonl")
MODEL = ("--frames", "12", "--max-new-tokens", "8", "--device", "cpu")
"""Options of the commands, which are run in the folder that everything is made in."""


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """The options of one `vicabench demo`."""

    out: Path
    scenes: int
    test_scenes: int
    seed: int
    blind: bool
    from_scratch: bool

    @property
    def name(self) -> str:
        """Of the checkpoints."""
        return BLIND if self.blind else SIGHTED

    @property
    def last(self) -> str:
        """The run of the last checkpoint; a blind run is marked as one."""
        return f"{RUNS}/{BLIND}-blind" if self.blind else f"{RUNS}/{SIGHTED}"

    @property
    def data(self) -> Path:
        """The training rooms."""
        return self.out / ("train-grey" if self.blind else "train")


def demonstrate(demo: Demonstration) -> None:
    """Take every step that is not yet taken, telling those that are commands."""
    import_module("vica.training.run")  # what is not installed is said before rooms are built
    terminal = console(stderr=True)
    base = _base(demo, terminal)
    rooms = TrainingRooms(seed=demo.seed, scenes=demo.scenes, grey=demo.blind)
    training_rooms(demo.data, rooms, terminal)
    with bar(terminal, "Test rooms", demo.test_scenes) as tell:
        _test_rooms(demo, tell)
    _train(demo, base)
    _curve(demo, terminal)
    _compare(demo, terminal)


def training_rooms(folder: Path, rooms: TrainingRooms, terminal: Console) -> None:
    """Build training rooms, showing how far that is."""
    with bar(terminal, "Training rooms", rooms.scenes) as tell:
        build_training(folder, rooms, workers=_workers(), progress=tell)


@contextmanager
def bar(terminal: Console, title: str, total: int) -> Iterator[Tell]:
    """A progress bar, and the function that moves it."""
    if not terminal.is_terminal:  # a log has the bar only when it is full
        terminal.print(f"{title} ...")
    columns = (*Progress.get_default_columns()[:-1], TimeElapsedColumn())
    with Progress(*columns, console=terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done, total: progress.update(task, completed=done, total=total)
        progress.update(task, completed=total)  # also what was there already


def _base(demo: Demonstration, terminal: Console) -> Path:
    """The checkpoint that training starts from."""
    if not demo.from_scratch:
        return SHIPPED[BASE]
    from vicabench.cli.demonstration_base import make_base

    return make_base(demo.out / "base", terminal)


def _test_rooms(demo: Demonstration, tell: Tell) -> None:
    build(
        demo.out / TEST,
        scenes=demo.test_scenes,
        seed=demo.seed + TEST_SEED_OFFSET,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        workers=_workers(),
        progress=tell,
    )


def _train(demo: Demonstration, base: Path) -> None:
    from vica.training.checkpoints import newest_last
    from vica.training.recipes import rooms
    from vica.training.run import train

    if not (demo.out / demo.name / CONFIG).exists():
        begun = newest_last(demo.out, demo.name)
        recipe = rooms(str(base), str(demo.data), str(demo.out), name=demo.name, seed=demo.seed)
        train(recipe, resume="last" if begun else None)


def _curve(demo: Demonstration, terminal: Console) -> None:
    """Test every checkpoint, and draw."""
    checkpoints = ("--models", f"{demo.name}-{{p}}p")
    where = ("--run-folders", RUNS, "--out", f"curve-{demo.name}")
    sight = ("--blind",) if demo.blind else ()
    _vicabench(demo, terminal, "scaling-curve", *checkpoints, *ASKED, *where, *MODEL, *sight)


def _compare(demo: Demonstration, terminal: Console) -> None:
    """The last checkpoint beside what needs no sight, and a page about them."""
    frequency, grey = f"{RUNS}/frequency", f"{RUNS}/{demo.name}-on-grey"
    baseline = ("--model", "baseline:frequency", "--no-video")
    _vicabench(demo, terminal, "run", *baseline, *ASKED, "--out", frequency)
    others = [frequency]
    if not demo.blind:  # a blind model has seen nothing else
        unseeing = ("--model", demo.name, "--blind")
        _vicabench(demo, terminal, "run", *unseeing, *ASKED, *MODEL, "--out", grey)
        others.append(grey)
    trained_otherwise = replace(demo, blind=not demo.blind).last
    if (demo.out / trained_otherwise).exists():
        others.append(trained_otherwise)
    for other in others:
        _vicabench(demo, terminal, "compare", other, demo.last)
    page = "report-blind.html" if demo.blind else "report.html"
    shown = ("--compare", frequency, "--videos", TEST, "--out", page)
    _vicabench(demo, terminal, "report", *others, demo.last, *shown)


def _vicabench(demo: Demonstration, terminal: Console, *arguments: str) -> None:
    """Run a command of ours in the folder as a person would, ending as it ends."""
    told = f"\n{demo.out}$ vicabench {shlex.join(arguments)}"
    terminal.print(told, highlight=False, markup=False, soft_wrap=True)
    command = [sys.executable, "-P", "-m", "vicabench", *arguments]
    code = subprocess.run(command, check=False, cwd=demo.out).returncode  # noqa: S603
    if code:
        sys.exit(code)


def _workers() -> int:
    return min(4, os.cpu_count() or 1)
