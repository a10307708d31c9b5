"""A small complete experiment, from building data to a scaling curve: `vicabench demo`.

Steps that are already done are skipped.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from vica.training.checkpoints import newest_last
from vica.training.pretraining import Pretraining, pretrain, write_start
from vica.training.recipes import BASE, rooms, rooms_exercises
from vica.training.run import train

from vicabench.adapters import SHIPPED
from vicabench.adapters.extras import explained
from vicabench.front.progress import bar
from vicabench.rooms.build import build
from vicabench.rooms.training import TrainingRooms, build_training, phrases
from vicabench.screen import console

Advance = Callable[[int, int], None]
CONFIG = "config.json"
SIGHTED, BLIND = "ViCA2-Rooms", "ViCA2-Rooms-blind"
TEST_SEED_OFFSET = 1000
"""The seed of the test rooms is the training seed plus this."""
WIDTH, HEIGHT, FPS = 160, 120, 3
"""Size and frame rate of test films, both above what the model sees."""
TEST, RUNS = "test", "runs"
ASKED = ("--benchmark", f"{TEST}/questions.jsonl")
MODEL = ("--frames", "12", "--max-new-tokens", "8", "--device", "cpu")
"""Options of the commands, which run in the output folder."""


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
        """The name of the checkpoints."""
        return BLIND if self.blind else SIGHTED

    @property
    def last(self) -> str:
        """The run folder of the last checkpoint, relative to `out`; blind runs end in `-blind`."""
        return f"{RUNS}/{BLIND}-blind" if self.blind else f"{RUNS}/{SIGHTED}"

    @property
    def data(self) -> Path:
        """The folder of the training rooms."""
        return self.out / ("train-grey" if self.blind else "train")


def demo(
    out: str | Path = "demo",
    *,
    scenes: int = 800,
    test_scenes: int = 30,
    seed: int = 1,
    blind: bool = False,
    from_scratch: bool = False,
) -> Path:
    """Build rooms, train a tiny ViCA2 on them, test its checkpoints, draw the curve.

    Repeating the call continues an interrupted one.

    Args:
        out: The folder for everything.
        scenes: Rooms to train on.
        test_scenes: Rooms to test on.
        seed: Seed of the training rooms; test rooms use another.
        blind: Whether to train on grey frames, to see what language alone can learn.
        from_scratch: Whether to train the base checkpoint as well, instead of using the one that
            vicabench includes.

    Returns:
        The output folder.

    Raises:
        ConfigError: If a package needed for training is not installed.
        subprocess.CalledProcessError: If one of the commands fails, with its exit code.
    """
    wanted = Demonstration(
        out=Path(out),
        scenes=scenes,
        test_scenes=test_scenes,
        seed=seed,
        blind=blind,
        from_scratch=from_scratch,
    )
    with explained():
        demonstrate(wanted)
    return wanted.out


def demonstrate(demo: Demonstration) -> None:
    """Run every step that is not done yet, printing the commands among them."""
    terminal = console(stderr=True)
    base = _base(demo, terminal)
    made = TrainingRooms(seed=demo.seed, scenes=demo.scenes, grey=demo.blind)
    _training_rooms(demo.data, made, terminal)
    with bar(terminal, "Test rooms", demo.test_scenes) as advance:
        _test_rooms(demo, advance)
    _train(demo, base)
    _curve(demo, terminal)
    _compare(demo, terminal)


def _base(demo: Demonstration, terminal: Console) -> Path:
    """The checkpoint that training starts from."""
    if not demo.from_scratch:
        return SHIPPED["vica2-rooms-base"]

    return make_base(demo.out / "base", terminal)


def _test_rooms(demo: Demonstration, advance: Advance) -> None:
    build(
        demo.out / TEST,
        scenes=demo.test_scenes,
        seed=demo.seed + TEST_SEED_OFFSET,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        workers=_workers(),
        progress=advance,
    )


def _train(demo: Demonstration, base: Path) -> None:
    if not (demo.out / demo.name / CONFIG).exists():
        begun = newest_last(demo.out, demo.name)
        recipe = rooms(str(base), str(demo.data), str(demo.out), name=demo.name, seed=demo.seed)
        train(recipe, resume="last" if begun else None)


def _curve(demo: Demonstration, terminal: Console) -> None:
    """Test every checkpoint and draw the curve."""
    checkpoints = ("--models", f"{demo.name}-{{p}}p")
    where = ("--run-folders", RUNS, "--out", f"curve-{demo.name}")
    sight = ("--blind",) if demo.blind else ()
    _vicabench(demo, terminal, "scaling-curve", *checkpoints, *ASKED, *where, *MODEL, *sight)


def _compare(demo: Demonstration, terminal: Console) -> None:
    """Compare the last checkpoint with baselines that see nothing, and make a report."""
    frequency, grey = f"{RUNS}/frequency", f"{RUNS}/{demo.name}-on-grey"
    baseline = ("--model", "baseline:frequency", "--no-video")
    _vicabench(demo, terminal, "run", *baseline, *ASKED, "--out", frequency)
    others = [frequency]
    if not demo.blind:  # a blind model only ever sees grey frames
        on_grey = ("--model", demo.name, "--blind")
        _vicabench(demo, terminal, "run", *on_grey, *ASKED, *MODEL, "--out", grey)
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
    """Print and run a vicabench command in the output folder; raise if it fails."""
    shown = f"\n{demo.out}$ vicabench {shlex.join(arguments)}"
    terminal.print(shown, highlight=False, markup=False, soft_wrap=True)
    command = [sys.executable, "-P", "-m", "vicabench", *arguments]
    subprocess.run(command, check=True, cwd=demo.out)  # noqa: S603


def _training_rooms(folder: Path, rooms: TrainingRooms, terminal: Console) -> None:
    with bar(terminal, "Training rooms", rooms.scenes) as advance:
        build_training(folder, rooms, workers=_workers(), progress=advance)


def _workers() -> int:
    return min(4, os.cpu_count() or 1)


ROOMS = TrainingRooms(seed=101, scenes=1000)
SEED = 7


def make_base(folder: Path, terminal: Console) -> Path:
    """Train the base checkpoint on lessons and exercises, from random weights."""
    start, data, taught = folder / "start", folder / "train", folder / "lessons"
    _training_rooms(data, ROOMS, terminal)
    if not (start / CONFIG).exists():
        write_start(start, phrases(), seed=SEED)
    if not (taught / CONFIG).exists():
        lessons = Pretraining(base=str(start), data=str(data), output=str(taught), seed=SEED)
        with bar(terminal, "Lessons", lessons.steps) as advance:
            pretrain(lessons, lambda step, steps, _losses: advance(step, steps))
    if not (folder / BASE / CONFIG).exists():
        train(rooms_exercises(str(taught), str(data), str(folder), seed=SEED))
    return folder / BASE
