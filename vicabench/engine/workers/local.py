"""Answers in the process of `vicabench run`, or in one worker process for every device."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from functools import partial
from io import BufferedReader, BufferedWriter
from types import TracebackType
from typing import Any, Protocol, Self, cast

from vicabench.engine.decode import ending, search_path
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
    """Whoever answers a job's questions, ready to; `answer` is called once."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What `config.json` keeps of it, with every start."""

    @property
    def built(self) -> Built:
        """What the adapter is like. Raises the kinds of UserError that adapters raise."""

    def answer(self, todo: ByVideo, overdue: Overdue) -> Generator[list[Prediction], None, None]:
        """Yield the predictions about one video after another, in any order of the videos.

        A video that takes this process longer than the job allows is told by `overdue`; a worker
        elsewhere is lost over it.
        """

    def timing(self) -> Timing | None:
        """How the time was spent up to now; None if no video is done."""


class Executor(Protocol):
    """Gives a team for a job."""

    def open(self, job: Job, warned: Callable[[str], None]) -> AbstractContextManager[JobRunner]:
        """A team, which ends with the block; `warned` is told what costs no answer."""


class InProcessExecutor:
    """Gives a team of one: the adapter in this process, which is built unless it is given."""

    def __init__(self, adapter: Adapter | None = None) -> None:
        self._adapter = adapter

    def open(self, job: Job, warned: Callable[[str], None]) -> InProcessRunner:
        """Build the adapter. Raises the kinds of UserError that adapters raise."""
        return InProcessRunner(job, self._adapter or job.build(), warned)


class InProcessRunner:
    """The adapter of a job, in this process."""

    def __init__(self, job: Job, adapter: Adapter, warned: Callable[[str], None]) -> None:
        self._job, self._adapter, self._warned = job, adapter, warned
        self._clock: Clock | None = None
        self.built = Built.of(self._adapter)
        self.record: Mapping[str, Any] = {}  # that is how runs are made unless something is said

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def answer(self, todo: ByVideo, overdue: Overdue) -> Generator[list[Prediction], None, None]:
        """Yield the predictions about one video after another, in order."""
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
        """How the time was spent up to now."""
        return self._clock.timing() if self._clock else None


COMMAND = (sys.executable, "-P", "-m", "vicabench.engine.workers.worker")
DEVICE = re.compile(r"cpu|mps|(?:cuda:)?\d+|cuda|(?:xpu|npu):\d+|(?:GPU|MIG)-.+")
VISIBLE = "CUDA_VISIBLE_DEVICES"
LAST_WORDS = 50  # lines of a lost worker that errors.log keeps


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device as it was typed: what CUDA may see of the machine there, and torch's name for it.

    `visible` is None where that is left as it is.
    """

    name: str
    visible: str | None
    placed: str


@dataclass(frozen=True, kw_only=True)
class LocalExecutor:
    """A process for every device; `devices` from `devices_named`."""

    devices: Sequence[Device]

    def open(self, job: Job, warned: Callable[[str], None]) -> Scheduler:
        """The team for a job; `warned` is told of workers that were lost."""
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
        """Of a worker. Several on the CPU share its cores, unless OMP_NUM_THREADS says how."""
        changes = {"PYTHONPATH": search_path()}
        if device.visible is not None:
            changes[VISIBLE] = device.visible
        if device.placed == "cpu" and len(self.devices) > 1:
            threads = max(1, (os.cpu_count() or 1) // len(self.devices))
            changes["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(threads))
        return {**os.environ, **changes}


def devices_named(text: str, environment: Mapping[str, str]) -> tuple[Device, ...]:
    """The devices in a comma-separated list: `0,1`, `cpu,cpu`, `cuda:2`, or a GPU's UUID.

    Numbers count the GPUs that CUDA_VISIBLE_DEVICES shows, if that is set. ConfigError for a name
    that no device has.
    """
    return tuple(_device(name.strip(), environment) for name in text.split(","))


def _device(name: str, environment: Mapping[str, str]) -> Device:
    if not DEVICE.fullmatch(name):
        raise ConfigError(f"'{name}' in --devices is no device: write 0,1,2,3 or cpu,cpu.")
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
            f"--devices {name} is not there: {VISIBLE} shows {len(names)} GPUs ({shown or 'none'}),"
            " counted from 0."
        )
    return Device(name=name, visible=names[number], placed="cuda")


class ProcessWorker:
    """A worker in a process of its own. Raises WorkerLostError when it cannot be started."""

    def __init__(self, job: Job, device: Device, environment: Mapping[str, str]) -> None:
        self._job, self._device = job, device
        self._last_words = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close)
        try:
            # A session of its own keeps the terminal's Ctrl-C from it, and ends it as a whole.
            self._process = subprocess.Popen(  # noqa: S603
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._last_words,
                start_new_session=True,
                env=dict(environment),
            )
        except OSError as error:
            self._last_words.close()
            raise WorkerLostError(f"its process does not start: {error}") from error
        self._requests = cast("BufferedWriter", self._process.stdin)
        self._replies = cast("BufferedReader", self._process.stdout)

    def build(self) -> Built:
        """Wait until the model is loaded there."""
        self._send((self._job, self._device.placed))
        built: Built = self._receive()
        return built

    def give(self, task: Task) -> None:
        """Let it begin to decode a video."""
        self._send(task)

    def reply(self) -> Reply:
        """Wait for the answers about the first of the videos that it was given."""
        self._send(None)
        reply: Reply = self._receive()
        return reply

    def kill(self) -> None:
        """End it at once, with all that it started, whatever it is doing."""
        if self._process.poll() is not None:
            return
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill it and let go of its pipes."""
        self.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._requests.close()
        self._replies.close()
        self._last_words.close()

    def _send(self, request: object) -> None:
        with suppress(BrokenPipeError):  # it is gone: the missing reply will tell how
            pickle.dump(request, self._requests)
            self._requests.flush()

    def _receive(self) -> Any:
        try:
            found = pickle.load(self._replies)  # noqa: S301  (from our own process)
        except (EOFError, pickle.UnpicklingError):
            raise self._loss() from None
        if isinstance(found, Refused):
            raise found.error()
        return found

    def _loss(self) -> WorkerLostError:
        code = self._process.wait()
        self._last_words.seek(0)
        words = self._last_words.read().decode(errors="replace").strip().splitlines()
        last = f": {words[-1]}" if words and code >= 0 else ""  # else it is the trace of a crash
        return WorkerLostError(
            f"its process ended ({ending(code)}){last}", "\n".join(words[-LAST_WORDS:])
        )
