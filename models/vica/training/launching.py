"""Starting a run's processes with torchrun, and handing them its configuration as a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from vica.errors import TrainingError
from vica.training.config import TrainingConfig

T = TypeVar("T")
FILE = "config.json"


def needs_processes(config: TrainingConfig) -> bool:
    """Whether this process has to start others: DeepSpeed and several devices need a launcher."""
    hardware = config.hardware
    return (hardware.devices > 1 or hardware.zero > 0) and "RANK" not in os.environ


def launch(config: TrainingConfig, resume: str | None) -> None:
    """Run `python -m vica.training` on each device of this machine; raises TrainingError.

    The processes' own messages have been printed by then.
    """
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    file = output / FILE
    file.write_text(json.dumps(config.resolved(), indent=2) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={config.hardware.devices}", "-m", "vica.training", str(file)]
    command += ["--resume", resume] if resume else []
    done = subprocess.run(command, check=False)  # noqa: S603  (our own interpreter)
    if done.returncode:
        raise TrainingError(
            f"{config.hardware.devices} processes were started and training failed in them; what "
            "went wrong is said above"
        )


def read_config(path: Path) -> TrainingConfig:
    """The configuration that a file holds as `TrainingConfig.resolved` gives it."""
    try:
        return built(TrainingConfig, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path}: is no configuration of a run: {error}") from error


def built(kind: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass from JSON values, those inside it too."""
    hints = typing.get_type_hints(kind)
    names = [f.name for f in fields(cast(Any, kind))]
    return kind(**{name: _value(hints[name], values[name]) for name in names if name in values})


def _value(hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) in (types.UnionType, typing.Union) and value is not None:
        hint = next(h for h in typing.get_args(hint) if h is not type(None))
    if typing.get_origin(hint) is tuple:
        return tuple(_value(typing.get_args(hint)[0], one) for one in value)
    if is_dataclass(hint) and value is not None:
        return built(cast(type[Any], hint), value)
    return value
