"""Checkpoints on the way: complete, in the published layout, there as a whole or not at all.

`OUTPUT/NAME-5p` ... `OUTPUT/NAME-95p`, `OUTPUT/NAME` are checkpoints like the published ones, with
`training.json` inside. `OUTPUT/resume/NAME-5p` is what is needed to go on from there, which is
several times as large and of no use to others.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from vica.checkpoint import write_published_config
from vica.errors import TrainingError
from vica.modeling import ViCA
from vica.processing import ViCAProcessor
from vica.training import plain
from vica.training.config import Precision, Saving

RECORD = "training.json"
STATES = "resume"
PARTIAL, OLD, DROPPED = ".partial", ".old", ".dropped"
"""Endings of hidden folders: half written, whole but about to be replaced, half removed."""
SHARE = r"(-[0-9.]+p)?"
DTYPES: dict[Precision, torch.dtype] = {
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp32": torch.float32,
}
PACKAGES = ("torch", "transformers", "accelerate")


def milestones(name: str, steps: int, saving: Saving) -> dict[int, str]:
    """After which step which checkpoint is saved; the last is `name` itself.

    A run of fewer steps than shares has fewer checkpoints: of the shares that end with the same
    step there is the one that is nearest to it, the first of two.
    """
    named: dict[int, float] = {}
    for number in range(1, shares(saving)):
        share = number * saving.every
        step = round(share * steps)
        off = abs(share * steps - step)
        if 0 < step < steps and off < abs(named.get(step, math.inf) * steps - step):
            named[step] = share
    return {**{at: f"{name}-{round(100 * s, 2):g}p" for at, s in named.items()}, steps: name}


def shares(saving: Saving) -> int:
    """How many checkpoints are asked for, the last one too."""
    return math.ceil(1 / saving.every - 1e-9)


def partial(target: Path) -> Path:
    """An empty folder beside `target`, in which it is written."""
    folder = target.with_name(f".{target.name}{PARTIAL}")
    plain.remove(folder)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """An empty folder to write in, which appears as `target` when all is in it, or not at all."""
    folder = partial(target)
    with explained(target, folder):
        yield folder
        publish(folder, target)


@contextmanager
def explained(target: Path, folder: Path) -> Iterator[None]:
    """Raise TrainingError when `folder`, which was to be `target`, cannot be written; remove it."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:  # the last of them is torch.save's
        shutil.rmtree(folder, ignore_errors=True)
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or ["?"])[0]
        raise TrainingError(
            f"{target} could not be written ({reason}). The checkpoints before are whole; put "
            "that right, and go on with --resume last"
        ) from error


def publish(folder: Path, target: Path) -> None:
    """Make a folder that was written whole appear under its name, all of it on the disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        _sync(path)
    _sync(folder)
    if target.exists():
        old = target.with_name(f".{target.name}{OLD}")
        plain.remove(old)
        target.rename(old)
        folder.rename(target)
        plain.remove(old)
    else:
        folder.rename(target)
    _sync(target.parent)


def tidy(output: Path, name: str) -> None:
    """Remove what a killed run left half written, or put back what it was about to replace.

    A state whose checkpoint was never finished goes as well: nothing can go on from it.
    """
    for folder in (output, output / STATES):
        for path in _of_run(folder, rf"\.{re.escape(name)}{SHARE}({PARTIAL}|{OLD}|{DROPPED})"):
            target = path.with_name(path.stem.removeprefix("."))
            if path.suffix == OLD and not target.exists():
                path.rename(target)
            else:
                plain.remove(path)
    for state in newest_last(output / STATES, name):
        if not (output / state.name / RECORD).is_file():
            _remove(state)


def _of_run(folder: Path, pattern: str) -> list[Path]:
    """What is in a folder by names of this pattern; nothing if there is no such folder."""
    inside = list(folder.iterdir()) if folder.is_dir() else []
    return [path for path in inside if re.fullmatch(pattern, path.name)]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_checkpoint(
    folder: Path,
    model: ViCA,
    processor: ViCAProcessor,
    tensors: Mapping[str, Tensor],
    *,
    precision: Precision,
    record: Mapping[str, Any],
) -> None:
    """Model, tokenizer and `training.json` in the published layout, weights as they are trained.

    `tensors` are the model's, whole, under our names.
    """
    dtype = DTYPES[precision]
    # A second copy of the weights is for the host: a device may have no room for it.
    whole = {k: v.detach().to(device="cpu", dtype=dtype) for k, v in tensors.items()}
    model.save_pretrained(folder, state_dict=whole)
    config = type(model.config)(**{**model.config.to_dict(), "dtype": dtype})
    write_published_config(config, folder)
    processor.save_pretrained(folder)
    write_record(folder, record)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `training.json`, which says that a folder is whole, and what it is."""
    versions = {package: version(package) for package in PACKAGES}
    text = json.dumps({**record, "versions": versions}, indent=2)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def drop_later(output: Path, name: str, step: int) -> None:
    """Remove states beyond this step, which was just saved.

    They are of a run that this one, going on from an earlier checkpoint, has taken the place of:
    `--resume last` is not to go on with them.
    """
    for state in newest_last(output / STATES, name):
        if _step_of(state) > step:
            _remove(state)


def drop_old(output: Path, name: str, saving: Saving, *, step: int, finished: bool) -> None:
    """Remove checkpoints before the newest `saving.keep`, and states that are not to be kept.

    Checkpoints beyond `step` do not count: they are of a run that this one took the place of.
    """
    states = newest_last(output / STATES, name)
    if saving.optimizer == "last":
        kept = [] if finished else states[-1:]
        for state in states:
            if state not in kept:
                _remove(state)
    if saving.keep is not None:
        there = [path for path in newest_last(output, name) if _step_of(path) <= step]
        for folder in there[: -saving.keep]:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Take a folder away as a whole: a kill leaves no part of it under its name."""
    dropped = folder.with_name(f".{folder.name}{DROPPED}")
    plain.remove(dropped)
    folder.rename(dropped)
    plain.remove(dropped)


def newest_last(folder: Path, name: str) -> list[Path]:
    """The whole checkpoints or states of a run in a folder, by how far they are trained."""
    found = _of_run(folder, re.escape(name) + SHARE)
    whole = [path for path in found if (path / RECORD).is_file()]
    return sorted(whole, key=_step_of)


def _step_of(folder: Path) -> int:
    return int(read_record(folder / RECORD)["step"])


def read_record(path: Path) -> dict[str, Any]:
    """What `training.json` says; raises TrainingError where that is not what a run writes."""
    try:
        with plain.opened(path, "r") as file:
            record = json.load(file)
        int(record["step"])
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        raise TrainingError(f"{path}: was not written by a training run ({error!r})") from error
    return dict(record)
