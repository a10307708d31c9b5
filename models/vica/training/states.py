"""States to resume from: files with known digests, loaded without running what they hold.

A state is written by torch and DeepSpeed as pickles, which can run any code when they are loaded
carelessly. `unpickling_data` keeps torch to tensors and plain values whoever calls it, DeepSpeed
included. The digests tell a damaged file from a whole one before anything is loaded; whoever can
write a state can write its digests, too, so nothing rests on them but the message.
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
from vica.predictor import is_memory_error
from vica.training.checkpoints import RECORD, Start, newest_last, read_record

FILES = "files"
"""The field of a state's record that holds the digest of every other file in it."""
SCRIPTS = "zero_to_*.py"
"""Programs that DeepSpeed copies into a state; a state is data."""
FORCE, FORCE_NOT = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
HASHERS = 8
"""Threads that read files at once: a state of several devices has two files for each."""


def sealed(folder: Path) -> dict[str, str]:
    """The digests of a state that was just written, from which DeepSpeed's programs are removed."""
    for script in folder.glob(SCRIPTS):
        script.unlink()
    return _digests(folder)


def _digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in a state but its record, by its path in the folder."""
    paths = [path for path in sorted(folder.rglob("*")) if not path.is_dir()]
    paths = [path for path in paths if path != folder / RECORD]
    with ThreadPoolExecutor(HASHERS) as threads:
        names = [path.relative_to(folder).as_posix() for path in paths]
        return dict(zip(names, threads.map(_digest, paths), strict=True))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_whole(start: Start) -> None:
    """Raise TrainingError naming the damaged files of a state, and the state to take instead."""
    if bad := _damage(start.state):
        raise TrainingError(f"{start.state}: {bad}. {_otherwise(start.state)}")
    with loading(start.state):
        _check_progress(start)


def _check_progress(start: Start) -> None:
    """Raise ValueError or TypeError unless the Trainer can go on from its own record of a state."""
    found = TrainerState.load_from_json(str(start.state / TRAINER_STATE_NAME))
    if found.global_step != start.record["step"]:
        raise ValueError(f"{TRAINER_STATE_NAME} is of another step")
    for name, wanted in vars(TrainerState(epoch=0.0, train_batch_size=0)).items():
        value = getattr(found, name)
        kinds = (int, float) if type(wanted) in (int, float) else (type(wanted),)
        if type(value) not in kinds or (isinstance(value, int | float) and value < 0):
            raise TypeError(f"{TRAINER_STATE_NAME}: {name} is {str(value)[:40]}")
    if found.logging_steps <= 0:
        raise ValueError(f"{TRAINER_STATE_NAME}: logging_steps is {found.logging_steps}")


def _damage(state: Path) -> str | None:
    """What is wrong with the files of a state; None if they are as the run wrote them."""
    wanted = read_record(state / RECORD).get(FILES)
    if not isinstance(wanted, Mapping):
        return f"{RECORD} does not say which files belong to it"
    try:
        found = _digests(state)
    except OSError as error:
        return f"{Path(str(error.filename)).name} cannot be read ({error.strerror})"
    said = {
        "missing": sorted(wanted.keys() - found.keys()),
        "not of this run": sorted(found.keys() - wanted.keys()),
        "damaged": sorted(n for n in found.keys() & wanted.keys() if found[n] != wanted[n]),
    }
    return "; ".join(f"{', '.join(names)} {what}" for what, names in said.items() if names) or None


def _otherwise(state: Path) -> str:
    """What to do about a state that cannot be used."""
    name = read_record(state / RECORD).get("name", "")
    there = newest_last(state.parent, str(name))
    earlier = there[: there.index(state)] if state in there else []
    for other in reversed(earlier):
        if not _damage(other):
            return f"{other.name} is whole: go on with --resume {other.name}"
    return "No earlier state is whole: restore the files, or train into another output"


@contextmanager
def unpickling_data() -> Iterator[None]:
    """Inside, `torch.load` builds tensors and plain values only, even if told otherwise.

    Of DeepSpeed's classes those that its states hold are let in: they keep values and run nothing.
    """
    # A user's variable may say the opposite, which torch does not take beside this one.
    before = {name: os.environ.pop(name, None) for name in (FORCE, FORCE_NOT)}
    os.environ[FORCE] = "1"
    try:
        with torch.serialization.safe_globals(_inert()):
            yield
    finally:
        del os.environ[FORCE]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _inert() -> list[Any]:
    """The classes of DeepSpeed that its states hold, where DeepSpeed is in use."""
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
    """Raise TrainingError where `unpickling_data` refused what a state holds."""
    try:
        yield
    except pickle.UnpicklingError as error:
        raise _unusable(state, "holds more than tensors and values", error) from error


@contextmanager
def loading(state: str | Path | None) -> Iterator[None]:
    """Raise TrainingError where a state has the right digests but cannot be loaded."""
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
