"""What one process does for all: reading the data, planning, writing a checkpoint.

The processes of a run have the same settings, so what a user can put right is wrong in each of
them. Done in the first, it is done once, and said once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from vica.errors import VicaError
from vica.training.launching import EchoError

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
