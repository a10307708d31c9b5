"""Answer on this machine: in this process, or in one process per device."""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from functools import partial
from io import BufferedReader, BufferedWriter
from typing import Any, Protocol, Self, cast

from vicabench.adapters.abilities import Reusable
from vicabench.engine.decode import ending, search_path, start_piped
from vicabench.engine.loop import AnswerTimeout, Overdue, answer_videos
from vicabench.engine.timing import Clock, Timing
from vicabench.engine.workers.messages import Built, Job, Refused, Reply, Task, WorkerLostError
from vicabench.engine.workers.scheduler import Scheduler
from vicabench.engine.workers.supervisor import Slot
from vicabench.errors import ConfigError
from vicabench.predictions import Prediction
from vicabench.results.plan import ByVideo
from vicabench.types import Adapter


class JobRunner(Protocol):
    """Answers the questions of one job; `answer` is called once."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What `config.json` records about it with every start."""

    @property
    def built(self) -> Built:
        """What the adapter is like.

        Raises:
            UserError: For an adapter that cannot be built.
        """

    def answer(self, todo: ByVideo, overdue: Overdue) -> Generator[list[Prediction], None, None]:
        """Yield the predictions of one video after another, in any order of the videos.

        In this process, `overdue` is called for a video that takes longer than the job allows.
        Elsewhere, the worker ends and counts as lost.
        """

    def timing(self) -> Timing | None:
        """How the time has been spent so far; None before the first video is done."""


class Executor(Protocol):
    """Opens a runner for a job."""

    def open(self, job: Job, warned: Callable[[str], None]) -> AbstractContextManager[JobRunner]:
        """Open a runner that ends with the block; `warned` receives what costs no answer."""


class InProcessExecutor:
    """Answers in this process, with the given adapter or with one built from the job."""

    def __init__(self, adapter: Adapter | None = None) -> None:
        self._adapter = adapter

    def open(self, job: Job, warned: Callable[[str], None]) -> InProcessRunner:
        """Build the adapter, unless it was given.

        Raises:
            UserError: For an adapter that cannot be built.
        """
        return InProcessRunner(job, self._adapter or job.build(), warned)


class ReusingExecutor:
    """Answers in this process, and loads a model once for several benchmarks."""

    def __init__(self) -> None:
        self._last: tuple[Any, Adapter] | None = None

    def open(self, job: Job, warned: Callable[[str], None]) -> InProcessRunner:
        """Build the adapter, or reuse that of the last job if its model and options are the same.

        Raises:
            UserError: For an adapter that cannot be built.
        """
        same = (job.model, job.options, job.seed)
        if self._last and self._last[0] == same and isinstance(self._last[1], Reusable):
            adapter = self._last[1].for_context(job.context)
        else:
            self._last = None  # frees its memory before the next model is loaded
            adapter = job.build()
        self._last = same, adapter
        return InProcessRunner(job, adapter, warned)


class InProcessRunner:
    """Answers a job with an adapter in this process."""

    def __init__(self, job: Job, adapter: Adapter, warned: Callable[[str], None]) -> None:
        self._job, self._adapter, self._warned = job.seen_by(adapter), adapter, warned
        self._clock: Clock | None = None
        self.built = Built.of(self._adapter)
        self.record: Mapping[str, Any] = {}  # the default executor is not recorded

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def answer(self, todo: ByVideo, overdue: Overdue) -> Generator[list[Prediction], None, None]:
        """Yield the predictions of one video after another, in order."""
        job = self._job
        timeout = AnswerTimeout(seconds=job.answer_seconds, overdue=overdue)
        self._clock = clock = job.clock(self._adapter, self._warned)
        videos = answer_videos(
            job.benchmark,
            todo,
            self._adapter,
            job.decoding,
            timeout=timeout,
            clock=clock,
            warned=self._warned,
        )
        with closing(videos):
            for predictions in videos:
                clock.count(predictions)
                yield predictions

    def timing(self) -> Timing | None:
        """How the time has been spent so far."""
        return self._clock.timing() if self._clock else None


COMMAND = (sys.executable, "-P", "-m", "vicabench.engine.workers.worker")
DEVICE = re.compile(r"cpu|mps|(?:cuda:)?\d+|cuda|(?:xpu|npu):\d+|(?:GPU|MIG)-.+")
VISIBLE = "CUDA_VISIBLE_DEVICES"
OUTPUT_LINES = 50  # the last lines of a lost worker's output, kept in errors.log


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device of `--devices`.

    Attributes:
        name: The device as it was typed.
        visible: CUDA_VISIBLE_DEVICES of its worker; None to leave the variable unchanged.
        placed: The device's name for torch in that worker.
    """

    name: str
    visible: str | None
    placed: str


@dataclass(frozen=True, kw_only=True)
class LocalExecutor:
    """Answers in one process per device; `devices` come from `devices_named`."""

    devices: Sequence[Device]

    def open(self, job: Job, warned: Callable[[str], None]) -> Scheduler:
        """Open a scheduler for a job; `warned` receives a line for every lost worker."""
        times: Counter[str] = Counter()
        slots = []
        for device in self.devices:
            times[device.name] += 1
            number = f" ({times[device.name]})" if times[device.name] > 1 else ""
            start = partial(ProcessWorker, job, device, self._environment(device))
            slots.append(Slot(name=f"worker {device.name}{number}", start=start))
        ahead = job.decoding.prefetch if job.decoding else 1
        return Scheduler(
            slots,
            record={"executor": "local", "devices": [device.name for device in self.devices]},
            ahead=ahead,
            warned=warned,
            waiting="The workers are still loading.",
        )

    def _environment(self, device: Device) -> dict[str, str]:
        """A worker's environment; CPU workers share the cores unless OMP_NUM_THREADS is set."""
        changes = {"PYTHONPATH": search_path()}
        if device.visible is not None:
            changes[VISIBLE] = device.visible
        if device.placed == "cpu" and len(self.devices) > 1:
            threads = max(1, (os.cpu_count() or 1) // len(self.devices))
            changes["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(threads))
        return {**os.environ, **changes}


def devices_named(text: str, environment: Mapping[str, str]) -> tuple[Device, ...]:
    """Parse a comma-separated list of devices: `0,1`, `cpu,cpu`, `cuda:2`, or a GPU's UUID.

    Numbers count the GPUs in CUDA_VISIBLE_DEVICES of the `environment`, if it is set.

    Raises:
        ConfigError: For a name that is not a device, or a GPU that CUDA_VISIBLE_DEVICES hides.
    """
    return tuple(_device(name.strip(), environment) for name in text.split(","))


def _device(name: str, environment: Mapping[str, str]) -> Device:
    if not DEVICE.fullmatch(name):
        raise ConfigError(f"'{name}' in --devices is not a device: write 0,1,2,3 or cpu,cpu.")
    if name == "cpu":
        return Device(name=name, visible="", placed="cpu")
    if name.startswith(("GPU-", "MIG-")):
        return Device(name=name, visible=name, placed="cuda")
    if name.startswith(("mps", "xpu", "npu")):
        return Device(name=name, visible=None, placed=name)
    number = int(name.removeprefix("cuda").removeprefix(":") or 0)
    shown = environment.get(VISIBLE)
    if shown is None:
        return Device(name=name, visible=str(number), placed="cuda")
    names = [entry.strip() for entry in shown.split(",") if entry.strip()]
    if number >= len(names):
        raise ConfigError(
            f"--devices {name} does not exist: {VISIBLE} shows {len(names)} GPUs "
            f"({shown or 'none'}), counted from 0."
        )
    return Device(name=name, visible=names[number], placed="cuda")


class ProcessWorker:
    """A worker in its own process.

    Raises:
        WorkerLostError: If the process cannot be started.
    """

    def __init__(self, job: Job, device: Device, environment: Mapping[str, str]) -> None:
        self._job, self._device = job, device
        try:
            self._process, self._stderr = start_piped(COMMAND, environment)
        except OSError as error:
            raise WorkerLostError(f"its process does not start: {error}") from error
        self._requests = cast("BufferedWriter", self._process.stdin)
        self._replies = cast("BufferedReader", self._process.stdout)

    def build(self) -> Built:
        """Wait until the worker has loaded the model."""
        self._send((self._job, self._device.placed))
        built: Built = self._receive()
        return built

    def give(self, task: Task) -> None:
        """Let the worker start decoding a video."""
        self._send(task)

    def reply(self) -> Reply:
        """Wait for the answers about the oldest video that it holds."""
        self._send(None)
        reply: Reply = self._receive()
        return reply

    def kill(self) -> None:
        """End the process group at once, whatever it is doing."""
        if self._process.poll() is not None:
            return
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the process and close its pipes."""
        self.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._requests.close()
        self._replies.close()
        self._stderr.close()

    def _send(self, request: object) -> None:
        with suppress(BrokenPipeError):  # it has ended: the missing reply will say how
            pickle.dump(request, self._requests)
            self._requests.flush()

    def _receive(self) -> Any:
        try:
            reply = pickle.load(self._replies)  # noqa: S301  (from our own process)
        except (EOFError, pickle.UnpicklingError):
            raise self._loss() from None
        if isinstance(reply, Refused):
            raise reply.error()
        return reply

    def _loss(self) -> WorkerLostError:
        code = self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        # After a signal, the last line belongs to the traceback of faulthandler.
        last = f": {lines[-1]}" if lines and code >= 0 else ""
        return WorkerLostError(
            f"its process ended ({ending(code)}){last}", "\n".join(lines[-OUTPUT_LINES:])
        )
