"""Where `vicabench run` answers: the options as typed, checked, as an executor."""

from __future__ import annotations

import os
from dataclasses import dataclass

from vicabench.engine.executors.here import Executor, Here
from vicabench.engine.executors.processes import LocalExecutor, devices_named
from vicabench.engine.executors.ray_actors import RayExecutor
from vicabench.errors import ConfigError
from vicabench.types import ModelOptions

HERE, LOCAL, RAY = EXECUTORS = ("here", "local", "ray")


@dataclass(frozen=True, kw_only=True)
class ExecutionOptions:
    """The options of these names, None where they were not typed."""

    executor: str | None
    devices: str | None
    address: str | None
    gpus_per_worker: float | None
    replicas: int | None

    def chosen(self, options: ModelOptions) -> Executor:
        """The executor; ConfigError for options that cannot be meant, or would be ignored."""
        name = self.executor or (LOCAL if self.devices is not None else HERE)
        if name not in EXECUTORS:
            known = ", ".join(EXECUTORS)
            raise ConfigError(f"There is no executor '{name}'. Executors are {known}.")
        self._refuse_what_is_ignored(name)
        if name != HERE and (options.max_requests, options.max_cost) != (None, None):
            raise ConfigError(
                f"--max-requests and --max-cost are kept by one process, and --executor {name} "
                "starts several: leave that out. --concurrency says how many calls are made at "
                "once."
            )
        if name == RAY:
            return RayExecutor(
                address=self.address, gpus=self.gpus_per_worker, replicas=self.replicas
            )
        return self._local(options) if name == LOCAL else Here()

    def _local(self, options: ModelOptions) -> LocalExecutor:
        if self.devices is None:
            raise ConfigError("--executor local needs the devices: --devices 0,1,2,3 or cpu,cpu.")
        if options.device != ModelOptions().device:
            raise ConfigError("--devices says where the model runs: leave out --device.")
        return LocalExecutor(devices=devices_named(self.devices, os.environ))

    def _refuse_what_is_ignored(self, name: str) -> None:
        given = {
            "--devices": (LOCAL, self.devices),
            "--address": (RAY, self.address),
            "--gpus-per-worker": (RAY, self.gpus_per_worker),
            "--replicas": (RAY, self.replicas),
        }
        for option, (owner, value) in given.items():
            if value is not None and owner != name:
                raise ConfigError(f"{option} is about --executor {owner}, not {name}.")
