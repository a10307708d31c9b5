"""How a run reads videos and where it answers: the options, checked, with defaults."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vica.video import ByRate

from vicabench.engine.frame_cache import Count, FrameCache
from vicabench.engine.frame_rules import LINEAR, ByRule
from vicabench.engine.loop import Decoding
from vicabench.engine.workers.local import Executor, InProcessExecutor, LocalExecutor, devices_named
from vicabench.engine.workers.ray import RayExecutor
from vicabench.errors import ConfigError, did_you_mean
from vicabench.options import BOUNDS, CACHE_SIZE, FRAMES, PREFETCH, VIDEO_TIMEOUT
from vicabench.types import ModelOptions

DECODERS = ("auto", "pyav", "decord")
CORES_A_WORKER, MOST_WORKERS = 4, 4
"""Limits of the default: a decoder uses two threads, and the model needs cores too."""
UNITS = {
    "": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate(["", "K", "M", "G", "T"])},
    **{f"{prefix}IB": 1024**power for power, prefix in enumerate("KMGT", start=1)},
}


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """The options of these names; None if the default depends on other options or the machine."""

    no_video: bool
    frames: int | None
    fps: float | None
    max_frames: int | None
    frame_rule: str | None
    workers: int | None
    prefetch: int | None
    video_timeout: float
    decoder: str
    frame_cache: Path | None
    frame_cache_size: str | None

    def decoding(self) -> Decoding | None:
        """How to decode; None for `--no-video`.

        Raises:
            ConfigError: For an option with an invalid value, or one that would be ignored.
        """
        self._refuse_ignored_options()
        check_decoder(self.decoder)
        if self.no_video:
            return None
        workers, prefetch = self._parallel()
        return Decoding(
            frames=self.count,
            workers=workers,
            prefetch=prefetch,
            limit_seconds=self.video_timeout,
            decoder=self.decoder,
            cache=self._cache(),
        )

    @property
    def count(self) -> Count:
        """How many frames, or the rule that says so."""
        if self.frame_rule not in (None, LINEAR):
            return ByRule(
                rule=self.frame_rule or LINEAR,
                frames=0 if self.fps else self.frames or FRAMES,
                fps=self.fps or 0.0,
                most=self.max_frames or 0,
            )
        if self.fps is not None:
            return ByRate(fps=self.fps, most=self.max_frames or 0)
        return self.frames or FRAMES

    def _refuse_ignored_options(self) -> None:
        if self.fps is None and self.max_frames is not None:
            raise ConfigError("--max-frames bounds the frames of --fps: add it, or use --frames.")
        if self.fps is not None and self.frames is not None:
            raise ConfigError("--frames and --fps contradict each other: give one of them.")
        used = {
            "--fps": self.fps is not None,
            "--frames": self.frames not in (None, FRAMES),
            "--frame-rule": self.frame_rule is not None,
            "--workers": self.workers is not None,
            "--prefetch": self.prefetch is not None,
            "--video-timeout": self.video_timeout != VIDEO_TIMEOUT,
            "--decoder": self.decoder != DECODERS[0],
            "--frame-cache": self.frame_cache is not None,
            "--frame-cache-size": self.frame_cache_size is not None,
        }
        typed = ", ".join(name for name, is_used in used.items() if is_used)
        if self.no_video and typed:
            raise ConfigError(
                f"--no-video and --text-only decode nothing: leave out {typed}, or --no-video."
            )
        if self.frame_cache_size is not None and self.frame_cache is None:
            raise ConfigError("--frame-cache-size needs --frame-cache DIR: name the folder too.")

    def _parallel(self) -> tuple[int, int]:
        """Workers and prefetch, of which each limits the other."""
        workers = self.workers
        if workers is None:
            workers = min(MOST_WORKERS, max(1, (os.cpu_count() or 1) // CORES_A_WORKER))
            if self.prefetch is not None:
                workers = min(workers, self.prefetch + 1)
        prefetch = max(PREFETCH, workers) if self.prefetch is None else self.prefetch
        if workers > prefetch + 1:
            raise ConfigError(
                f"--workers {workers} cannot all be busy with --prefetch {prefetch}: one video is "
                f"in use and {prefetch} are ahead. Raise --prefetch, or leave it out."
            )
        return workers, prefetch

    def _cache(self) -> FrameCache | None:
        if self.frame_cache is None:
            return None
        limit_bytes = bytes_of(self.frame_cache_size or CACHE_SIZE)
        cache = FrameCache(folder=self.frame_cache.expanduser().absolute(), limit_bytes=limit_bytes)
        cache.check()
        return cache


def check_decoder(name: str) -> None:
    """Raise a ConfigError that names the decoders unless this is one."""
    if name not in DECODERS:
        near = did_you_mean(name, DECODERS)
        raise ConfigError(
            f"There is no decoder '{name}'. Decoders are {', '.join(DECODERS)}.{near}"
        )


def check_number(name: str, value: Any, *, optional: bool = False) -> None:
    """Raise ConfigError if a numeric option is out of its bounds."""
    if name not in BOUNDS or (optional and value is None):
        return
    least, most = BOUNDS[name]
    whole = isinstance(least, int)
    good = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not good or not least <= value <= most:
        ends = f"from {least} on" if math.isinf(most) else f"from {least} to {most}"
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name}={value!r}: give {kind} {ends}.")


def bytes_of(text: str) -> int:
    """Parse a size such as 50GB, 1.5 TB or 200MiB; ConfigError for any other text."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Z]*)", text.strip().upper())
    size = int(float(match[1]) * UNITS.get(match[2], 0)) if match else 0
    if size < 1:
        raise ConfigError(f"'{text}' is not a size: write 50GB, 1.5TB or 200MiB.")
    return size


HERE, LOCAL, RAY = EXECUTORS = ("here", "local", "ray")


@dataclass(frozen=True, kw_only=True)
class ExecutionOptions:
    """The options of these names; None where they were not typed."""

    executor: str | None
    devices: str | None
    address: str | None
    gpus_per_worker: float | None
    replicas: int | None

    def chosen(self, options: ModelOptions) -> Executor:
        """The executor that the options choose.

        Raises:
            ConfigError: For an option with an invalid value, or one that would be ignored.
        """
        name = self.executor or (LOCAL if self.devices is not None else HERE)
        if name not in EXECUTORS:
            known = ", ".join(EXECUTORS)
            near = did_you_mean(name, EXECUTORS)
            raise ConfigError(f"There is no executor '{name}'. Executors are {known}.{near}")
        self._refuse_ignored_options(name)
        if name != HERE and (options.max_requests, options.max_cost) != (None, None):
            raise ConfigError(
                f"--max-requests and --max-cost are counted in one process, and --executor {name} "
                "starts several: leave it out. --concurrency sets how many calls are made at once."
            )
        if name == RAY:
            return RayExecutor(
                address=self.address, gpus=self.gpus_per_worker, replicas=self.replicas
            )
        return self._local(options) if name == LOCAL else InProcessExecutor()

    def _local(self, options: ModelOptions) -> LocalExecutor:
        if self.devices is None:
            raise ConfigError("--executor local needs the devices: --devices 0,1,2,3 or cpu,cpu.")
        if options.device != ModelOptions().device:
            raise ConfigError("--devices says where the model runs: leave out --device.")
        return LocalExecutor(devices=devices_named(self.devices, os.environ))

    def _refuse_ignored_options(self, name: str) -> None:
        values = {
            "--devices": (LOCAL, self.devices),
            "--address": (RAY, self.address),
            "--gpus-per-worker": (RAY, self.gpus_per_worker),
            "--replicas": (RAY, self.replicas),
        }
        for option, (owner, value) in values.items():
            if value is not None and owner != name:
                raise ConfigError(f"{option} needs --executor {owner}, not {name}.")
