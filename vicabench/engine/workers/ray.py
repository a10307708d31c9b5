"""`--executor ray`: workers as actors on a running Ray cluster.

Ray places the actors, reports lost ones, and transports the names of videos and the answers. The
frames are decoded on the actor's machine.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from vicabench import ending
from vicabench.engine.workers.messages import Built, Job, Refused, Reply, Task, WorkerLostError
from vicabench.engine.workers.scheduler import Scheduler
from vicabench.engine.workers.supervisor import Slot
from vicabench.engine.workers.worker import Answerer
from vicabench.errors import ConfigError

INSTALL = 'pip install "vicabench[cluster]"'


@dataclass(frozen=True, kw_only=True)
class RayExecutor:
    """Answers in `replicas` actors with `gpus` each, on the cluster at `address`.

    Attributes:
        address: None for the cluster of this machine, or of RAY_ADDRESS.
        gpus: GPUs per actor; None for one, or for none if the cluster has no GPUs.
        replicas: None for as many actors as the GPUs allow, or one per machine without GPUs.
    """

    address: str | None
    gpus: float | None
    replicas: int | None

    @contextmanager
    def open(self, job: Job, warned: Callable[[str], None]) -> Iterator[Scheduler]:
        """Open a scheduler for a job; `warned` receives a line for every lost worker.

        Raises:
            ConfigError: If Ray is not installed, no cluster is found, or the cluster has fewer
                GPUs than one actor needs.
        """
        with ExitStack() as stack:
            ray = stack.enter_context(_connected(self.address))
            gpus, replicas = self._size(ray)
            placed = "cuda" if gpus and job.options.device == "auto" else None
            options = {"num_gpus": gpus, "num_cpus": 1, "scheduling_strategy": "SPREAD"}
            actor = ray.remote(Answerer).options(**options)
            shared = ray.put(job)
            start = partial(RayWorker, ray, actor, shared, placed)
            slots = [Slot(name=f"worker {n + 1}", start=start) for n in range(replicas)]
            waiting = (
                f"No worker is ready yet: the model is being loaded, or the cluster has no room "
                f"for a worker with {gpus:g} GPUs and 1 CPU."
            )
            scheduler = Scheduler(
                slots,
                record={"executor": "ray", "gpus_per_worker": gpus, "replicas": replicas},
                ahead=job.decoding.prefetch if job.decoding else 1,
                warned=warned,
                waiting=waiting,
            )
            yield stack.enter_context(scheduler)

    def _size(self, ray: Any) -> tuple[float, int]:
        """GPUs per worker, and the number of workers."""
        available = ray.cluster_resources().get("GPU", 0)
        gpus = self.gpus if self.gpus is not None else float(available > 0)
        machines = sum(node["Alive"] and "CPU" in node["Resources"] for node in ray.nodes())
        replicas = self.replicas or (int(available / gpus) if gpus else machines)
        if not replicas:
            raise ConfigError(
                f"--gpus-per-worker {gpus:g}: the Ray cluster has {available:g} GPUs in all. Ask "
                "for fewer, or for 0 to run on CPUs."
            )
        return gpus, replicas


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Connect to a running Ray cluster; never start or stop one."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415  (250 MB that only this executor needs)
    except ModuleNotFoundError as error:
        raise ConfigError(f"--executor ray needs the package {error.name}: {INSTALL}") from error
    handled = {number: signal.getsignal(number) for number in ending.SIGNALS}
    try:
        ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"There is no Ray cluster at {address or 'this machine'}: "
            f"{str(error).strip().splitlines()[0]} Start one with `ray start --head`, and name it "
            "with --address HOST:PORT unless it is on this machine."
        ) from error
    finally:
        for number, handler in handled.items():  # ray.init replaces our handlers
            signal.signal(number, handler)
    try:
        yield ray
    finally:
        ray.shutdown()


class RayWorker:
    """An `Answerer` in a Ray actor, which ends when killed or with the process that created it."""

    def __init__(self, ray: Any, actor: Any, job: Any, placed: str | None) -> None:
        self._ray, self._job, self._placed = ray, job, placed
        with _lost(ray):
            self._actor = actor.remote()

    def build(self) -> Built:
        """Wait until Ray has placed the actor and it has loaded the model."""
        built: Built = self._result(self._actor.build, self._job, self._placed)
        return built

    def give(self, task: Task) -> None:
        """Let the worker start decoding a video."""
        with _lost(self._ray):
            self._actor.give.remote(task)

    def reply(self) -> Reply:
        """Wait for the answers about the oldest video that it holds."""
        reply: Reply = self._result(self._actor.reply)
        return reply

    def kill(self) -> None:
        """End the actor at once, whatever it is doing."""
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(self._actor)

    def close(self) -> None:
        """End the actor."""
        self.kill()

    def _result(self, method: Any, *arguments: Any) -> Any:
        with _lost(self._ray):
            reply = self._ray.get(method.remote(*arguments))
        if isinstance(reply, Refused):
            raise reply.error()
        return reply


@contextmanager
def _lost(ray: Any) -> Iterator[None]:
    """Turn any error of Ray into the loss of the worker: its actor or machine failed."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        trace = str(error).strip()
        raise WorkerLostError(f"it failed: {trace.splitlines()[-1]}", trace) from error
    except ray.exceptions.RayError as error:
        message = f"Ray lost it ({type(error).__name__})"
        raise WorkerLostError(message, str(error).strip()) from error
