"""What `vicabench demo` does: each step is one that can be taken alone, and is skipped if done."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from vicabench.datasets.rooms.build import build
from vicabench.datasets.rooms.phrases import phrases
from vicabench.datasets.rooms.training import TrainingRooms, build_training

Tell = Callable[[int, int], None]
CONFIG = "config.json"
TEST_SEED_OFFSET = 1000
"""Test rooms are of the training's seed plus this."""
WIDTH, HEIGHT, FPS = 160, 120, 3
"""Of test films: more than the model sees."""
RUN = ("--frames", "12", "--max-new-tokens", "8", "--device", "cpu")


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """The options of one `vicabench demo`."""

    out: Path
    scenes: int
    lessons: int
    test_scenes: int
    seed: int
    blind: bool

    @property
    def name(self) -> str:
        """Of the checkpoints."""
        return "ViCA2-Rooms-blind" if self.blind else "ViCA2-Rooms"


def demonstrate(demo: Demonstration) -> None:
    """Take every step that is not yet taken, telling which command would take it alone."""
    terminal = Console(stderr=True)
    with _bar(terminal, "Training rooms", demo.scenes) as tell:
        _training_rooms(demo, tell)
    with _bar(terminal, "Test rooms", demo.test_scenes) as tell:
        _test_rooms(demo, tell)
    with _bar(terminal, "Lessons", demo.lessons) as tell:
        grounded = _lessons(demo, tell)
    _train(demo, grounded)
    _curve(demo, terminal)


def _training_rooms(demo: Demonstration, tell: Tell) -> None:
    rooms = TrainingRooms(seed=demo.seed, scenes=demo.scenes, grey=demo.blind)
    build_training(_data(demo), rooms, workers=_workers(), progress=tell)


def _test_rooms(demo: Demonstration, tell: Tell) -> None:
    build(
        demo.out / "test",
        scenes=demo.test_scenes,
        seed=demo.seed + TEST_SEED_OFFSET,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        workers=_workers(),
        progress=tell,
    )


def _lessons(demo: Demonstration, tell: Tell) -> Path:
    """The checkpoint that lessons give, from one that knows nothing."""
    from vica.training.pretraining import pretrain
    from vica.training.recipes_rooms import rooms_lessons
    from vica.training.starting import write_start

    start, output = demo.out / f"{demo.name}-start", demo.out / f"{demo.name}-lessons"
    if not (start / CONFIG).exists():
        write_start(start, phrases(), seed=demo.seed)
    if not (output / CONFIG).exists():
        recipe = rooms_lessons(start, _data(demo), output, steps=demo.lessons, seed=demo.seed)
        pretrain(recipe, lambda step, steps, _losses: tell(step, steps))
    return output


def _train(demo: Demonstration, base: Path) -> None:
    from vica.training.engine import train
    from vica.training.recipes_rooms import rooms

    output = demo.out / "checkpoints"
    if not (output / demo.name / CONFIG).exists():
        partial = any(output.glob(f"resume/{demo.name}-*"))
        recipe = rooms(str(base), str(_data(demo)), str(output), name=demo.name, seed=demo.seed)
        train(recipe, resume="last" if partial else None)


def _curve(demo: Demonstration, terminal: Console) -> None:
    """Test every checkpoint and draw, by the command for that."""
    arguments = [
        "scaling-curve",
        *("--models", str(demo.out / "checkpoints" / f"{demo.name}-{{p}}p")),
        *("--benchmark", str(demo.out / "test" / "questions.jsonl")),
        *("--run-folders", str(demo.out / "runs"), "--out", str(demo.out / "curve")),
        *RUN,
    ]
    terminal.print(f"vicabench {shlex.join(arguments)}", highlight=False)
    code = subprocess.run([sys.executable, "-m", "vicabench", *arguments], check=False).returncode  # noqa: S603
    if code:
        sys.exit(code)


def _data(demo: Demonstration) -> Path:
    return demo.out / ("train-grey" if demo.blind else "train")


def _workers() -> int:
    return min(4, os.cpu_count() or 1)


@contextmanager
def _bar(terminal: Console, title: str, total: int) -> Iterator[Tell]:
    """A progress bar, and the function that moves it."""
    columns = (*Progress.get_default_columns()[:-1], TimeElapsedColumn())
    with Progress(*columns, console=terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)
