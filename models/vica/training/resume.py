"""Going on with a run that was stopped, from a checkpoint of its own, with its own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vica.errors import TrainingError
from vica.training.config import TrainingConfig
from vica.training.saving import RECORD, STATES, newest_last, read_record, tidy
from vica.training.settings import flat, is_harmless

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
