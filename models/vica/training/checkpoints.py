"""Checkpoints of a run: identity, complete saving on the way, and resuming from one."""

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
    """The configuration with a commit for each hub id, downloaded if it is not here.

    `before` is the recipe of the checkpoint that a run goes on from: hub ids that it names are
    taken at its commits. A folder has none. Raises RecipeError for a folder with a commit, and
    CheckpointError or DataError for what cannot be had.
    """
    before = before or {}
    base = config.base_revision
    if base is None and before.get("base") == config.base:
        base = before.get("base_revision")
    if Path(config.base).is_dir():
        if config.base_revision is not None:
            raise RecipeError(f"base={config.base} is a folder: it has no base_revision")
        base = None
    else:
        base = commit_of(fetch(config.base, revision=base)) or base
    old = dict(enumerate(before.get("mixture", {}).get("sources", ())))
    sources = tuple(_pinned(s, old.get(n, {})) for n, s in enumerate(config.mixture.sources))
    return replace(config, base_revision=base, mixture=replace(config.mixture, sources=sources))


def _pinned(source: Source, before: Mapping[str, Any]) -> Source:
    """A source at a commit; what is here as a file or folder stays as it is."""
    if source.revision is None and before.get("path") == source.path:
        source = replace(source, revision=before.get("revision"))
    return replace(source, revision=commit_of(located(source)) or source.revision)


def commit_of(folder: Path) -> str | None:
    """The commit of a folder in the hub's cache; None for any other."""
    found = re.fullmatch(r"[0-9a-f]{40}", folder.name) and folder.parent.name == "snapshots"
    return folder.name if found else None


def content_of(folder: Path) -> str:
    """`sha256:` and a hash of a checkpoint's files and their names, wherever the folder is.

    All of them are read, about as long as loading them takes.
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


LAST = "last"
NAMES_OF_CONTENT = ("base", "base_revision", "mixture.*", "hardware.device", "hardware.attention")
"""Settings that name something, which is compared itself."""
MEANING = {
    "base": "the content of the base",
    "device": "the kind of device",
    "attention": "the attention that was chosen",
    "data": "the content of the data",
    "plan": "the order and packing of the data",
}


@dataclass(frozen=True, kw_only=True)
class Start:
    """A checkpoint, the state that belongs to it, and what its `training.json` says."""

    checkpoint: Path
    state: Path
    record: dict[str, Any]


def start_of(config: TrainingConfig, resume: str | None) -> Start | None:
    """Where a run starts: None at its beginning, else after the checkpoint that `resume` names.

    `resume` is `last`, the name of a checkpoint of the run, or its folder. Raises TrainingError
    when there is no such checkpoint or its state was not kept, and, without `resume`, when the
    output already holds checkpoints of this name. What a killed run left half done is tidied.
    """
    output = Path(config.output)
    tidy(output, config.name)
    there = newest_last(output, config.name)
    if resume is None:
        if there:
            raise TrainingError(
                f"{output} already holds {there[-1].name}: go on with --resume last, or choose "
                "another output"
            )
        return None
    if not there:
        raise TrainingError(f"{output} holds no checkpoint of {config.name} to go on from")
    if resume == LAST:
        resumable = [path for path in there if (output / STATES / path.name / RECORD).is_file()]
        checkpoint = (resumable or there)[-1]
    else:
        checkpoint = output / Path(resume).name
    return _start(checkpoint, there)


def _start(checkpoint: Path, there: list[Path]) -> Start:
    if checkpoint not in there:
        known = ", ".join(path.name for path in there)
        raise TrainingError(f"{checkpoint} is no checkpoint of this run: there are {known}")
    state = checkpoint.parent / STATES / checkpoint.name
    record = read_record(checkpoint / RECORD)
    if missing := sorted({"recipe", "steps", "unreadable", *MEANING} - record.keys()):
        raise TrainingError(
            f"{checkpoint / RECORD}: was written by another version (it lacks "
            f"{', '.join(missing)}): go on with the version that wrote it"
        )
    if not _is_told(record):
        raise TrainingError(f"{checkpoint / RECORD}: was not written by a training run")
    if record["step"] == record["steps"]:
        raise TrainingError(f"{checkpoint} is the end of its run: there is nothing to go on with")
    if not (state / RECORD).is_file():
        raise TrainingError(
            f"{checkpoint.name} has no optimizer state any more: only the last one is kept unless "
            "saving.optimizer is all"
        )
    return Start(checkpoint=checkpoint, state=state, record=record)


def _is_told(record: Mapping[str, Any]) -> bool:
    """Whether the fields that a run goes on with are of the right kinds."""
    numbers = [record[name] for name in ("step", "steps", "unreadable")]
    recipe = record["recipe"]
    if not (all(type(each) is int for each in numbers) and isinstance(recipe, dict)):
        return False
    mixture = recipe.get("mixture")
    sources = mixture.get("sources") if isinstance(mixture, dict) else None
    return isinstance(sources, list) and all(isinstance(each, dict) for each in sources)


def check_same(config: TrainingConfig, found: Mapping[str, str], record: Mapping[str, Any]) -> None:
    """Raise TrainingError unless going on computes what the checkpoint's run would have computed.

    `found` is what this run is about, wherever it lies and whatever was left to be chosen: hashes
    of `base`, `data` and `plan`, the kind of `device`, the `attention`; `record` has the same of
    the checkpoint. Settings that change no weight may differ, and so may what names the same
    content. The message names each field that differs, with both values.
    """
    old, new = flat(record["recipe"]), flat(config.resolved())
    names = [n for n in {**old, **new} if old.get(n) != new.get(n) and not is_harmless(n)]
    differ = [n for n in names if not any(fnmatchcase(n, pattern) for pattern in NAMES_OF_CONTENT)]
    lines = [f"{name} was {old.get(name)!r} and is {new.get(name)!r}" for name in differ]
    facts = [name for name in ("base", "device", "attention") if record[name] != found[name]]
    if not lines and record["plan"] != found["plan"]:
        other = record["data"] != found["data"]
        differ = [name for name in names if other and name.startswith("mixture.")]
        lines = [f"{name} was {old.get(name)!r} and is {new.get(name)!r}" for name in differ]
        facts.append("data" if other else "plan")
    lines += [f"{MEANING[name]} was {record[name]} and is {found[name]}" for name in facts]
    if lines:
        raise TrainingError(
            "going on would compute something else than this run did: " + "; ".join(lines)
        )
