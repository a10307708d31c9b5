"""The base that comes with vicabench, made again: lessons, then exercises, half an hour."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from vicabench.cli.demonstration import CONFIG, bar, training_rooms
from vicabench.rooms.training import TrainingRooms, phrases

ROOMS = TrainingRooms(seed=101, scenes=1000)
SEED = 7


def make_base(folder: Path, terminal: Console) -> Path:
    """The checkpoint that exercises give, from one that knows nothing."""
    from vica.training.pretraining import Pretraining, pretrain, write_start
    from vica.training.recipes import BASE, rooms_exercises
    from vica.training.run import train

    start, data, taught = folder / "start", folder / "train", folder / "lessons"
    training_rooms(data, ROOMS, terminal)
    if not (start / CONFIG).exists():
        write_start(start, phrases(), seed=SEED)
    if not (taught / CONFIG).exists():
        lessons = Pretraining(base=str(start), data=str(data), output=str(taught), seed=SEED)
        with bar(terminal, "Lessons", lessons.steps) as tell:
            pretrain(lessons, lambda step, steps, _losses: tell(step, steps))
    if not (folder / BASE / CONFIG).exists():
        train(rooms_exercises(str(taught), str(data), str(folder), seed=SEED))
    return folder / BASE
