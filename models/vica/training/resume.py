"""Going on with a run that was stopped, from a checkpoint of its own, with its own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vica.errors import TrainingError
from vica.training.config import NOT_PART_OF_THE_DIGEST, TrainingConfig
from vica.training.packing import Plan
from vica.training.saving import RECORD, STATES, newest_last, read_record

LAST = "last"


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
    output already holds checkpoints of this name.
    """
    output = Path(config.output)
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
    if record["step"] == record["steps"]:
        raise TrainingError(f"{checkpoint} is the end of its run: there is nothing to go on with")
    if not (state / RECORD).is_file():
        raise TrainingError(
            f"{checkpoint.name} has no optimizer state any more: only the last one is kept unless "
            "saving.optimizer is all"
        )
    return Start(checkpoint=checkpoint, state=state, record=record)


def check_same(config: TrainingConfig, plan: Plan, record: Mapping[str, Any]) -> None:
    """Raise TrainingError unless the checkpoint is of this configuration and this data."""
    settings = config.resolved()
    differ = [
        f"{name} was {old!r} and is {new!r}"
        for key in settings
        if key not in NOT_PART_OF_THE_DIGEST
        for name, old, new in _differences(key, record["recipe"].get(key), settings[key])
    ]
    if differ:
        raise TrainingError("the checkpoint was trained with other settings: " + "; ".join(differ))
    if record["plan"] != plan.digest:
        raise TrainingError("the checkpoint was trained on other data, or in another order")


def _differences(name: str, old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    """The dotted names of the settings that differ, with both values."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [d for key in new for d in _differences(f"{name}.{key}", old.get(key), new[key])]
    return [] if old == new else [(name, old, new)]
