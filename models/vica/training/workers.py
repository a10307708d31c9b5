"""The processes that read and decode ahead: the shared memory they need, and what ends them.

What they have ready lies in shared memory until it is computed with: for ViCA2 a film of 64 frames
takes 58 MB at 640x480, and 431 MB at most, however large its frames are. A container has 64 MB of
it unless it is told otherwise, and whoever writes more than there is gets killed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vica.config import ViCA2Config, ViCAConfig
from vica.errors import TrainingError, VicaError, counted
from vica.predictor import is_memory_error
from vica.processing import FLOAT
from vica.training.config import TrainingConfig
from vica.training.disk import gigabytes
from vica.training.operations import PackShape
from vica.training.survey import Shown

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (only its size is looked at)
AHEAD = 2
"""Batches that each worker has ready at most; torch's default."""
ADVICE = (
    "Give it more (docker run --shm-size=..., or `medium: Memory` in a pod), or take fewer workers "
    "(hardware.workers; 0 reads in the training process itself)"
)
MEMORY = (
    "If it was killed, the machine was probably short of memory: take fewer workers "
    "(hardware.workers)"
)


def pixels(config: ViCAConfig, shown: Shown | PackShape) -> int:
    """The most bytes that a visual takes on its way: SigLIP's grey levels, and Hiera's frames."""
    count = 3.0 * shown.semantic_inputs * config.siglip_size**2
    if isinstance(config, ViCA2Config):
        count += 3 * FLOAT * shown.spatial_inputs * config.hiera_size**2
    return int(count)


def shared_bytes(config: TrainingConfig, pack: int) -> int:
    """The most shared memory that all processes of a machine use, with packs of so many bytes.

    Each holds what its workers have ready, the batches of a step, and the one that is looked at
    to know whether it is the last.
    """
    hardware, batch = config.hardware, config.batch
    held = hardware.workers * AHEAD + batch.accumulation + 1 if hardware.workers else 0
    return hardware.devices * held * batch.packs_per_device * pack


def check_shared_memory(config: TrainingConfig, pack: int) -> None:
    """Raise TrainingError if the workers would run out of it; `pack` are the bytes of one."""
    wanted = shared_bytes(config, pack)
    if wanted and SHARED_MEMORY.is_dir():
        left = shutil.disk_usage(SHARED_MEMORY).free
        if left < wanted:
            hardware = config.hardware
            raise TrainingError(
                f"hardware.workers={hardware.workers} on {counted(hardware.devices, 'device')} "
                f"can take up to {gigabytes(wanted)} of shared memory, and {SHARED_MEMORY} has "
                f"{gigabytes(left)} free. {ADVICE}"
            )


@contextmanager
def explained() -> Iterator[None]:
    """Say what ended a worker, or what it could not read, without the traceback torch adds."""
    try:
        yield
    except VicaError as error:  # torch puts a worker's traceback before what it says
        said = str(error).rpartition(f"{type(error).__name__}: ")[2]
        raise type(error)(said.strip()) from error
    except (RuntimeError, MemoryError) as error:
        reason = str(error)
        if is_memory_error(error):
            last = (reason.splitlines() or [type(error).__name__])[-1]
            raise TrainingError(
                f"memory was short when data was read: {last}. Take fewer workers "
                "(hardware.workers)"
            ) from error
        short = "shared memory" in f"{reason} {error.__cause__}"
        if not short and not reason.startswith("DataLoader worker"):
            raise
        advice = f"Shared memory was probably too small. {ADVICE}" if short else MEMORY
        first = reason.splitlines()[0]
        raise TrainingError(
            f"a process that reads the data has ended: {first}. {advice}"
        ) from error
