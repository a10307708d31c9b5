"""States to resume from: checking their files by digests, and loading them without running code.

torch and DeepSpeed write states as pickles, which can run any code when they are loaded
carelessly. `unpickling_data` restricts torch to tensors and plain values, even when DeepSpeed
calls it. The digests reveal a damaged file before anything is loaded. They are no protection:
whoever can write a state can write its digests too.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from vica.errors import TrainingError
from vica.memory import is_memory_error
from vica.training.checkpoints import RECORD, Start, newest_last, read_record

FILES = "files"
"""The field of a state's record with the digests of all other files of the state."""
SCRIPTS = "zero_to_*.py"
"""Programs that DeepSpeed copies into a state; they are removed, because a state is data."""
FORCE, FORCE_NOT = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
HASHERS = 8
"""Threads that read files in parallel: a state has two files per device."""


def sealed(folder: Path) -> dict[str, str]:
    """Remove DeepSpeed's programs from a state that was just written; return its digests."""
    for script in folder.glob(SCRIPTS):
        script.unlink()
    return _digests(folder)


def _digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of a state except its record, by its path in the folder."""
    paths = [path for path in sorted(folder.rglob("*")) if not path.is_dir()]
    paths = [path for path in paths if path != folder / RECORD]
    with ThreadPoolExecutor(HASHERS) as threads:
        names = [path.relative_to(folder).as_posix() for path in paths]
        return dict(zip(names, threads.map(_digest, paths), strict=True))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_whole(start: Start) -> None:
    """Raise TrainingError if a state is damaged; names the files, and a state to use instead."""
    if bad := _damage(start.state):
        raise TrainingError(f"{start.state}: {bad}. {_otherwise(start.state)}")
    with loading(start.state):
        _check_progress(start)


def _check_progress(start: Start) -> None:
    """Raise ValueError or TypeError unless the Trainer can resume from its record of a state."""
    progress = TrainerState.load_from_json(str(start.state / TRAINER_STATE_NAME))
    if progress.global_step != start.record["step"]:
        raise ValueError(f"{TRAINER_STATE_NAME} is of another step")
    for name, wanted in vars(TrainerState(epoch=0.0, train_batch_size=0)).items():
        value = getattr(progress, name)
        kinds = (int, float) if type(wanted) in (int, float) else (type(wanted),)
        if type(value) not in kinds or (isinstance(value, int | float) and value < 0):
            raise TypeError(f"{TRAINER_STATE_NAME}: {name} is {str(value)[:40]}")
    if progress.logging_steps <= 0:
        raise ValueError(f"{TRAINER_STATE_NAME}: logging_steps is {progress.logging_steps}")


def _damage(state: Path) -> str | None:
    """A description of a state's damaged files; None if they are as the run wrote them."""
    wanted = read_record(state / RECORD).get(FILES)
    if not isinstance(wanted, Mapping):
        return f"{RECORD} does not list the files of the state"
    try:
        stored = _digests(state)
    except OSError as error:
        return f"{Path(str(error.filename)).name} cannot be read ({error.strerror})"
    faults = {
        "missing": sorted(wanted.keys() - stored.keys()),
        "not of this run": sorted(stored.keys() - wanted.keys()),
        "damaged": sorted(n for n in stored.keys() & wanted.keys() if stored[n] != wanted[n]),
    }
    return (
        "; ".join(f"{', '.join(names)} {what}" for what, names in faults.items() if names) or None
    )


def _otherwise(state: Path) -> str:
    """Advice about a state that cannot be used."""
    name = read_record(state / RECORD).get("name", "")
    states = newest_last(state.parent, str(name))
    earlier = states[: states.index(state)] if state in states else []
    for other in reversed(earlier):
        if not _damage(other):
            return f"{other.name} is whole: continue with --resume {other.name}"
    return "No earlier state is whole: restore the files, or train into another output"


@contextmanager
def unpickling_data() -> Iterator[None]:
    """Restrict `torch.load` inside the block to tensors and plain values, whatever its arguments.

    The DeepSpeed classes that its states contain are allowed: they hold values and run nothing.
    """
    # torch refuses both variables together, and the user may have set the opposite one.
    before = {name: os.environ.pop(name, None) for name in (FORCE, FORCE_NOT)}
    os.environ[FORCE] = "1"
    try:
        with torch.serialization.safe_globals(_inert()):
            yield
    finally:
        del os.environ[FORCE]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _inert() -> list[Any]:
    """The DeepSpeed classes that its states contain, if DeepSpeed is in use."""
    if "deepspeed" not in sys.modules:
        return []
    from deepspeed.runtime.fp16.loss_scaler import (  # noqa: PLC0415  (an extra)
        DynamicLossScaler,
        LossScaler,
    )
    from deepspeed.runtime.zero.config import ZeroStageEnum  # noqa: PLC0415
    from deepspeed.utils.tensor_fragment import fragment_address  # noqa: PLC0415

    return [LossScaler, DynamicLossScaler, ZeroStageEnum, fragment_address]


@contextmanager
def no_code(state: str | Path | None) -> Iterator[None]:
    """Raise TrainingError if `unpickling_data` refuses the content of a state."""
    try:
        yield
    except pickle.UnpicklingError as error:
        raise _unusable(state, "holds more than tensors and values", error) from error


@contextmanager
def loading(state: str | Path | None) -> Iterator[None]:
    """Raise TrainingError if a state with correct digests cannot be loaded."""
    try:
        with no_code(state):
            yield
    except (RuntimeError, OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        if state is None or is_memory_error(error):
            raise
        raise _unusable(state, "was not written by a run like this one", error) from error


def _unusable(state: str | Path | None, why: str, error: Exception) -> TrainingError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return TrainingError(f"{state}: {why} ({first}). {_otherwise(Path(str(state)))}")
