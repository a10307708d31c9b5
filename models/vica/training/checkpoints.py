"""A run's checkpoints: what identifies a run, saving them atomically, and resuming from them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from vica.checkpoint import write_published_config
from vica.errors import RecipeError, TrainingError
from vica.hub import SMALL_FILES, WEIGHTS, fetch
from vica.modeling import ViCA
from vica.processing import ViCAProcessor
from vica.training import plain
from vica.training.config import Precision, Saving, Source, TrainingConfig
from vica.training.settings import flat, is_harmless
from vica.training.sources import located


def pinned(config: TrainingConfig, before: Mapping[str, Any] | None = None) -> TrainingConfig:
    """The configuration with a commit for each hub id, which is downloaded if necessary.

    Args:
        config: The configuration of the run.
        before: The recipe of the checkpoint to resume from; its hub ids are used at its commits.

    Raises:
        RecipeError: `base` is a folder, but `base_revision` is set.
        CheckpointError: The base could not be downloaded.
        DataError: A source of data could not be downloaded.
    """
    before = before or {}
    base = config.base_revision
    if base is None and before.get("base") == config.base:
        base = before.get("base_revision")
    if Path(config.base).is_dir():
        if config.base_revision is not None:
            raise RecipeError(
                f"base={config.base} is a folder, which has no commits: leave out base_revision"
            )
        base = None
    else:
        base = commit_of(fetch(config.base, revision=base)) or base
    old = dict(enumerate(before.get("mixture", {}).get("sources", ())))
    sources = tuple(_pinned(s, old.get(n, {})) for n, s in enumerate(config.mixture.sources))
    return replace(config, base_revision=base, mixture=replace(config.mixture, sources=sources))


def _pinned(source: Source, before: Mapping[str, Any]) -> Source:
    """The source with the commit of its hub id; a local file or folder is unchanged."""
    if source.revision is None and before.get("path") == source.path:
        source = replace(source, revision=before.get("revision"))
    return replace(source, revision=commit_of(located(source)) or source.revision)


def commit_of(folder: Path) -> str | None:
    """The commit of a folder in the hub's cache; None for any other folder."""
    cached = re.fullmatch(r"[0-9a-f]{40}", folder.name) and folder.parent.name == "snapshots"
    return folder.name if cached else None


def content_of(folder: Path) -> str:
    """`sha256:` and a hash of the names and contents of a checkpoint's files.

    All files are read, which takes about as long as loading them.
    """
    state = hashlib.sha256()
    for path in sorted({p for pattern in (*SMALL_FILES, *WEIGHTS) for p in folder.glob(pattern)}):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        state.update(f"{path.name} {content}\n".encode())
    return f"sha256:{state.hexdigest()}"


RECORD = "training.json"
STATES = "resume"
PARTIAL, OLD, DROPPED = ".partial", ".old", ".dropped"
"""Suffixes of hidden folders: being written, being replaced (still whole), being removed."""
SHARE = r"(-[0-9.]+p)?"
DTYPES: dict[Precision, torch.dtype] = {
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp32": torch.float32,
}
PACKAGES = ("torch", "transformers", "accelerate")


def milestones(name: str, steps: int, saving: Saving) -> dict[int, str]:
    """The names of the checkpoints by the step after which they are saved; the last is `name`.

    If several shares round to the same step, only the share nearest to it is saved, or the first
    of two equally near.
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
    """How many checkpoints are configured, including the last."""
    return math.ceil(1 / saving.every - 1e-9)


def partial(target: Path) -> Path:
    """Create an empty hidden folder beside `target`, in which its content is written."""
    folder = target.with_name(f".{target.name}{PARTIAL}")
    plain.remove(folder)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` if the block succeeds, and is removed if not."""
    folder = partial(target)
    with explained(target, folder):
        yield folder
        publish(folder, target)


@contextmanager
def explained(target: Path, folder: Path) -> Iterator[None]:
    """Remove `folder` and raise TrainingError naming `target` if it cannot be written."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:  # torch.save raises RuntimeError
        shutil.rmtree(folder, ignore_errors=True)
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or ["?"])[0]
        raise TrainingError(
            f"{target} could not be written ({reason}). The earlier checkpoints are whole: fix "
            "that, and continue with --resume last"
        ) from error


def publish(folder: Path, target: Path) -> None:
    """Sync a completely written folder to disk, and rename it to `target`."""
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
    """Remove what a killed run left partly written, and restore what it was replacing.

    A state without a finished checkpoint is removed too: a run cannot resume from it.
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
    """The entries of a folder whose names match; empty if the folder does not exist."""
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
    """Write model, tokenizer and `training.json` in the published layout.

    Args:
        folder: Where they are written.
        model: The model.
        processor: Its processor.
        tensors: The model's whole tensors, under our names.
        precision: The precision in which the weights are saved.
        record: The content of `training.json`.
    """
    dtype = DTYPES[precision]
    # The converted copy is made on the host, because the device may have no room for it.
    whole = {k: v.detach().to(device="cpu", dtype=dtype) for k, v in tensors.items()}
    model.save_pretrained(folder, state_dict=whole)
    config = type(model.config)(**{**model.config.to_dict(), "dtype": dtype})
    write_published_config(config, folder)
    processor.save_pretrained(folder)
    write_record(folder, record)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `training.json`, which marks a folder as complete and describes it."""
    versions = {package: version(package) for package in PACKAGES}
    text = json.dumps({**record, "versions": versions}, indent=2)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def drop_later(output: Path, name: str, step: int) -> None:
    """Remove states beyond this step, which was just saved.

    They are stale: this run resumed from an earlier checkpoint, and `--resume last` must not
    continue from them.
    """
    for state in newest_last(output / STATES, name):
        if _step_of(state) > step:
            _remove(state)


def drop_old(output: Path, name: str, saving: Saving, *, step: int, finished: bool) -> None:
    """Remove all but the newest `saving.keep` checkpoints, and stale states.

    Checkpoints beyond `step` do not count: they are stale since this run resumed before them.
    """
    states = newest_last(output / STATES, name)
    if saving.optimizer == "last":
        needed = [] if finished else states[-1:]
        for state in states:
            if state not in needed:
                _remove(state)
    if saving.keep is not None:
        saved = [path for path in newest_last(output, name) if _step_of(path) <= step]
        for folder in saved[: -saving.keep]:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder, renaming it first: a kill then leaves no part of it under its name."""
    dropped = folder.with_name(f".{folder.name}{DROPPED}")
    plain.remove(dropped)
    folder.rename(dropped)
    plain.remove(dropped)


def newest_last(folder: Path, name: str) -> list[Path]:
    """The complete checkpoints or states of a run in a folder, sorted by their step."""
    candidates = _of_run(folder, re.escape(name) + SHARE)
    complete = [path for path in candidates if (path / RECORD).is_file()]
    return sorted(complete, key=_step_of)


def _step_of(folder: Path) -> int:
    return int(read_record(folder / RECORD)["step"])


def read_record(path: Path) -> dict[str, Any]:
    """Read a `training.json`; raises TrainingError if it was not written by a run."""
    try:
        with plain.opened(path, "r") as file:
            record = json.load(file)
        int(record["step"])
    except (OSError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        raise TrainingError(f"{path}: was not written by a training run ({error!r})") from error
    return dict(record)


LAST = "last"
NAMES_OF_CONTENT = ("base", "base_revision", "mixture.*", "hardware.device", "hardware.attention")
"""Settings that are names; the content behind them is compared instead."""
MEANING = {
    "base": "the content of the base",
    "device": "the kind of device",
    "attention": "the chosen attention",
    "data": "the content of the data",
    "plan": "the order and packing of the data",
}


@dataclass(frozen=True, kw_only=True)
class Start:
    """A checkpoint to resume from, its state, and the content of its `training.json`."""

    checkpoint: Path
    state: Path
    record: dict[str, Any]


def start_of(config: TrainingConfig, resume: str | None) -> Start | None:
    """The checkpoint that a run resumes from, or None if it starts at the beginning.

    First cleans up what a killed run left half done.

    Args:
        config: The configuration of the run.
        resume: `last`, the name of a checkpoint of the run or its folder; None for a new run.

    Raises:
        TrainingError: The checkpoint does not exist or has no state, or a new run's output
            already holds checkpoints of its name.
    """
    output = Path(config.output)
    tidy(output, config.name)
    saved = newest_last(output, config.name)
    if resume is None:
        if saved:
            raise TrainingError(
                f"{output} already holds {saved[-1].name}: continue with --resume last, or choose "
                "another output"
            )
        return None
    if not saved:
        raise TrainingError(f"{output} holds no checkpoint of {config.name} to resume from")
    if resume == LAST:
        resumable = [path for path in saved if (output / STATES / path.name / RECORD).is_file()]
        checkpoint = (resumable or saved)[-1]
    else:
        checkpoint = output / Path(resume).name
    return _start(checkpoint, saved)


def _start(checkpoint: Path, saved: list[Path]) -> Start:
    if checkpoint not in saved:
        known = ", ".join(path.name for path in saved)
        raise TrainingError(f"{checkpoint} is not a checkpoint of this run: choose one of {known}")
    state = checkpoint.parent / STATES / checkpoint.name
    record = read_record(checkpoint / RECORD)
    if missing := sorted({"recipe", "steps", "unreadable", *MEANING} - record.keys()):
        raise TrainingError(
            f"{checkpoint / RECORD}: was written by another version (it lacks "
            f"{', '.join(missing)}): resume with the version that wrote it"
        )
    if not _is_well_typed(record):
        raise TrainingError(f"{checkpoint / RECORD}: was not written by a training run")
    if record["step"] == record["steps"]:
        raise TrainingError(f"{checkpoint} is the end of its run: nothing remains to be trained")
    if not (state / RECORD).is_file():
        raise TrainingError(
            f"the optimizer state of {checkpoint.name} was removed: only the last one is kept "
            "unless saving.optimizer is all"
        )
    return Start(checkpoint=checkpoint, state=state, record=record)


def _is_well_typed(record: Mapping[str, Any]) -> bool:
    """Whether the fields that a resumed run needs have the right types."""
    numbers = [record[name] for name in ("step", "steps", "unreadable")]
    recipe = record["recipe"]
    if not (all(type(each) is int for each in numbers) and isinstance(recipe, dict)):
        return False
    mixture = recipe.get("mixture")
    sources = mixture.get("sources") if isinstance(mixture, dict) else None
    return isinstance(sources, list) and all(isinstance(each, dict) for each in sources)


LATER = {"optimizer.states": "fp32"}
"""Settings that earlier releases did not have, with what they did."""


def check_same(
    config: TrainingConfig, identity: Mapping[str, str], record: Mapping[str, Any]
) -> None:
    """Check that resuming computes what the checkpoint's run would have computed.

    Settings that change no weight may differ, and so may names of the same content.

    Args:
        config: The configuration of this run.
        identity: What this run computes: hashes of `base`, `data` and `plan`, the kind of
            `device`, and the `attention`.
        record: The checkpoint's `training.json`, which holds the same fields.

    Raises:
        TrainingError: Names each field that differs, with both values.
    """
    old, new = {**LATER, **flat(record["recipe"])}, flat(config.resolved())
    names = [n for n in {**old, **new} if old.get(n) != new.get(n) and not is_harmless(n)]
    differ = [n for n in names if not any(fnmatchcase(n, pattern) for pattern in NAMES_OF_CONTENT)]
    lines = [f"{name} was {old.get(name)!r} and is {new.get(name)!r}" for name in differ]
    facts = [name for name in ("base", "device", "attention") if record[name] != identity[name]]
    if not lines and record["plan"] != identity["plan"]:
        other = record["data"] != identity["data"]
        differ = [name for name in names if other and name.startswith("mixture.")]
        lines = [f"{name} was {old.get(name)!r} and is {new.get(name)!r}" for name in differ]
        facts.append("data" if other else "plan")
    lines += [f"{MEANING[name]} was {record[name]} and is {identity[name]}" for name in facts]
    if lines:
        raise TrainingError(
            "the resumed run would compute something else than this one did: " + "; ".join(lines)
        )
