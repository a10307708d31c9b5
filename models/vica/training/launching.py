"""Start the processes of a run with torchrun, and let the first act for all."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from vica.errors import TrainingError, VicaError, counted
from vica.training import plain
from vica.training.config import TrainingConfig

T = TypeVar("T")


def from_first(compute: Callable[[], T]) -> T:
    """What `compute` gives in the first process, in every process of the run.

    It must be called in all of them, and only the first calls `compute`. Its VicaError is raised
    there, and in all others as an EchoError, so that none waits for another that has stopped.
    """
    state = PartialState()
    if state.num_processes == 1:
        return compute()
    told: list[tuple[T | None, str | None]] = [(None, None)]
    failed: VicaError | None = None
    if state.is_main_process:
        try:
            told = [(compute(), None)]
        except VicaError as error:
            failed, told = error, [(None, str(error))]
    broadcast_object_list(told)
    found, problem = told[0]
    if failed is not None:
        raise failed
    if problem is not None:
        raise EchoError(problem)
    return found  # type: ignore[return-value]  # None is what was computed, then


def main() -> int:
    """Run `python -m vica.training` on each device; 0 if all of them end well."""
    devices, *arguments = sys.argv[1:]
    logging.disable()
    command = ["--standalone", f"--nproc-per-node={devices}", "-m", "vica.training", *arguments]
    try:
        run(parse_args(command))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            tell(TrainingError(_ended(rank, -failure.exitcode)))
        return 1
    except (SignalException, KeyboardInterrupt):
        return 130
    return 0


def _ended(rank: int, number: int) -> str:
    advice = ""
    if number == signal.SIGKILL:
        advice = "; the machine was probably short of memory"
    return f"process {rank} of the run was ended by {signal.Signals(number).name}{advice}"


FILE = "config.json"
ERROR_FILE = "VICA_TRAINING_ERROR"
"""The variable that names the file in which the first process to fail says why."""
PATIENCE = 60
"""Seconds in which processes that are told to end have to; torchrun kills its own after 30."""


class EchoError(VicaError):
    """An error that the first process has, and tells; the others stop with it."""


def needs_processes(config: TrainingConfig) -> bool:
    """Whether this process has to start others: DeepSpeed and several devices need a launcher."""
    hardware = config.hardware
    return (hardware.devices > 1 or hardware.zero > 0) and "RANK" not in os.environ


def launch(config: TrainingConfig, resume: str | None) -> None:
    """Run `python -m vica.training` on each device of this machine.

    Raises TrainingError with what the first process that failed says.
    """
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    file = output / FILE
    plain.write(file, json.dumps(config.resolved(), indent=2) + "\n")
    command = [sys.executable, "-P", "-m", "vica.training.launching", str(config.hardware.devices)]
    command += [str(file), *(["--resume", resume] if resume else [])]
    with TemporaryDirectory() as folder:
        told = Path(folder) / "error"
        # torchrun starts the others without -P: modules of the current folder are not to be run.
        if _ended_words(command, {**os.environ, "PYTHONSAFEPATH": "1", ERROR_FILE: str(told)}):
            raise TrainingError(
                told.read_text(encoding="utf-8")
                if told.exists()
                else f"training failed in {counted(config.hardware.devices, 'process')}; what "
                "went wrong is said above"
            )


def _ended_words(command: list[str], environment: Mapping[str, str]) -> int:
    """Run a command and return its exit status; when this process is to end, end it first."""
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603  (our own)
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            process.kill()
            raise


def tell(error: VicaError) -> None:
    """Hand an error to the process that started this one, or print it if no such process waits.

    Any of the processes may be the first to fail, and the others are then ended; what the first
    one has told already, others keep to themselves.
    """
    if named := os.environ.get(ERROR_FILE):
        with suppress(FileExistsError), Path(named).open("x", encoding="utf-8") as file:
            file.write(str(error))
    elif not isinstance(error, EchoError):
        sys.stderr.write(f"error: {error}\n")


def is_told() -> bool:
    """Whether another process of the run has failed and said why: the rest follows from that."""
    return Path(os.environ.get(ERROR_FILE, "")).is_file()


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


if __name__ == "__main__":
    sys.exit(main())
