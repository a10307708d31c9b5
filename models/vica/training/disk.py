"""What checkpoints take on the disk, and whether it has room: asked before one is begun.

A run that fills its disk loses the checkpoint that it is writing, and everything else that is
written there. The sizes are those of the tensors, to which come some megabytes of small files.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vica.errors import TrainingError
from vica.training.config import Hardware, Saving
from vica.training.memory import BYTES
from vica.training.skeleton import PartCount

SMALL = 50_000_000
"""More than a tokenizer, logs and configuration take."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Bytes of a checkpoint, and of the state from which a run goes on, of all processes."""

    checkpoint: int
    state: int

    @property
    def both(self) -> int:
        """A checkpoint with its state."""
        return self.checkpoint + self.state


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a run will have on its disk: `most` at a time, and `last` when it is finished."""

    most: int
    last: int


def sizes(parts: Sequence[PartCount], hardware: Hardware) -> Sizes:
    """What is written at a time.

    A state holds what is trained in fp32 with AdamW's two moments, and with DeepSpeed at most the
    weights that it computes with as well (measured with ZeRO-3: a part of those).
    """
    every, trained = sum(p.parameters for p in parts), sum(p.trained for p in parts)
    size = BYTES[hardware.precision]
    return Sizes(
        checkpoint=size * every, state=12 * trained + (size * every if hardware.zero else 0)
    )


def load(size: Sizes, saves: int, saving: Saving) -> Load:
    """What `saves` checkpoints come to, the last of which needs no state.

    What is replaced goes when what replaces it is there, so that the newest is never the only one.
    """
    checkpoints = states = most = 0
    for number in range(saves):
        checkpoints, states = checkpoints + 1, states + (number < saves - 1)
        most = max(most, checkpoints * size.checkpoint + states * size.state)
        if saving.optimizer == "last":
            states = min(states, 1) if number < saves - 1 else 0
        checkpoints = min(checkpoints, saving.keep or checkpoints)
    return Load(most=most, last=checkpoints * size.checkpoint + states * size.state)


def free(folder: Path) -> int:
    """The bytes that are free where a folder is, or will be."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def check_room(target: Path, wanted: int) -> None:
    """Raise TrainingError if the disk has no room for `wanted` bytes of a checkpoint."""
    left = free(target.parent)
    if left < wanted + SMALL:
        raise TrainingError(
            f"{target.name} was not saved: it needs {gigabytes(wanted + SMALL)} with what is "
            f"needed to go on from it, and the disk of {target.parent} has {gigabytes(left)} free. "
            "The checkpoints before are whole; make room, and go on with --resume last"
        )


def gigabytes(count: float) -> str:
    """Bytes in decimal gigabytes, megabytes where there are few."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
