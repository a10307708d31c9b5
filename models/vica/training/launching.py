"""Starting a run's processes with torchrun, and letting the first one act for all."""

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
    """Call `compute` in the first process, and return its result in every process of the run.

    All processes must call this function.

    Raises:
        VicaError: In the first process, the error of `compute`.
        EchoError: In the others, the same error, so that none waits for a process that stopped.
    """
    state = PartialState()
    if state.num_processes == 1:
        return compute()
    message: list[tuple[T | None, str | None]] = [(None, None)]
    failed: VicaError | None = None
    if state.is_main_process:
        try:
            message = [(compute(), None)]
        except VicaError as error:
            failed, message = error, [(None, str(error))]
    broadcast_object_list(message)
    result, problem = message[0]
    if failed is not None:
        raise failed
    if problem is not None:
        raise EchoError(problem)
    return result  # type: ignore[return-value]  # None only if `compute` returned it


def main() -> int:
    """Run `python -m vica.training` on each device; return 0 if all processes succeed."""
    devices, *arguments = sys.argv[1:]
    logging.disable()
    command = ["--standalone", f"--nproc-per-node={devices}", "-m", "vica.training", *arguments]
    try:
        run(parse_args(command))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            report(TrainingError(_ended(rank, -failure.exitcode)))
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
"""The environment variable that names the file for the first failed process's error."""
PATIENCE = 60
"""Seconds that processes have to end after SIGTERM; torchrun kills its own after 30."""


class EchoError(VicaError):
    """An error of the first process, with which the other processes stop."""


def needs_processes(config: TrainingConfig) -> bool:
    """Whether this process must start others: DeepSpeed and several devices need a launcher."""
    hardware = config.hardware
    return (hardware.devices > 1 or hardware.zero > 0) and "RANK" not in os.environ


def launch(config: TrainingConfig, resume: str | None) -> None:
    """Run `python -m vica.training` on each device of this machine.

    Raises:
        TrainingError: A process failed; the message is that of the first one.
    """
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    file = output / FILE
    plain.write(file, json.dumps(config.resolved(), indent=2) + "\n")
    command = [sys.executable, "-P", "-m", "vica.training.launching", str(config.hardware.devices)]
    command += [str(file), *(["--resume", resume] if resume else [])]
    with TemporaryDirectory() as folder:
        error = Path(folder) / "error"
        # torchrun does not pass -P on, and modules in the current folder must not be imported.
        if _run(command, {**os.environ, "PYTHONSAFEPATH": "1", ERROR_FILE: str(error)}):
            raise TrainingError(
                error.read_text(encoding="utf-8")
                if error.exists()
                else f"training failed in {counted(config.hardware.devices, 'process')}: see the "
                "output above"
            )


def _run(command: list[str], environment: Mapping[str, str]) -> int:
    """Run a command and return its exit status; if interrupted, end the command first."""
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603  (our own)
        try:
            return process.wait()
        except BaseException:  # KeyboardInterrupt and SystemExit too
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            process.kill()
            raise


def report(error: VicaError) -> None:
    """Pass an error to the process that started this one, or print it if there is none.

    Only the first process to fail reports its error: the others fail or are ended because of it.
    """
    if path := os.environ.get(ERROR_FILE):
        with suppress(FileExistsError), Path(path).open("x", encoding="utf-8") as file:
            file.write(str(error))
    elif not isinstance(error, EchoError):
        sys.stderr.write(f"error: {error}\n")


def is_reported() -> bool:
    """Whether a process of the run has reported an error, from which later failures follow."""
    return Path(os.environ.get(ERROR_FILE, "")).is_file()


def read_config(path: Path) -> TrainingConfig:
    """Read a configuration that `TrainingConfig.resolved` wrote.

    Raises:
        TrainingError: The file is missing or does not hold a configuration.
    """
    try:
        return built(TrainingConfig, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path}: is not a configuration of a run: {error}") from error


def built(kind: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass, including nested ones, from JSON values."""
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
