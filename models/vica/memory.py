"""Answering in groups that become smaller when memory is short."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

LOG = logging.getLogger(__name__)
Reply = TypeVar("Reply")
_MEMORY_ERROR_PHRASES = (
    "DefaultCPUAllocator",
    "not enough memory",
    "can't allocate memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_memory_error(error: BaseException) -> bool:
    """Whether an error means that memory ran out; torch has a class for only some of these."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        phrase in str(error) for phrase in _MEMORY_ERROR_PHRASES
    )


def release(device: torch.device) -> None:
    """Free the memory that a failed computation held."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


FRAMES, MOST_FRAMES = 8, 64
"""Frames that an encoder sees at once: on a CPU, where more are no faster; at most, on a GPU."""
SHARE = 0.5
"""Of a GPU's free memory for the encoders' activations; the rest is the prefix's."""


def frames_at_once(frame_bytes: int, device: torch.device) -> int:
    """How many frames an encoder should see at once, each of which takes so much memory."""
    if device.type != "cuda":
        return FRAMES
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(1, min(MOST_FRAMES, int(free * SHARE / frame_bytes)))


def in_groups(
    count: int, size: int, answer: Callable[[range], list[Reply]], device: torch.device
) -> Iterator[list[Reply]]:
    """Yield the replies to `count` questions, group by group, in order.

    When memory is short for a group, the rest is answered in groups of half the size.

    Args:
        count: The number of questions.
        size: The most questions of a group; 0 means all.
        answer: Returns the replies to the questions with these indices.
        device: Where the model is.

    Raises:
        Exception: Whatever `answer` raises, but for short memory only with a single question.
    """
    size, done = size or max(count, 1), 0
    while done < count:
        rows = range(done, min(done + size, count))
        replies = _attempt(rows, answer)
        if replies is None:  # the failed attempt's tensors are out of scope only now
            release(device)
            size = len(rows) // 2
            LOG.warning("Memory is short for %d questions at once: trying %d", len(rows), size)
            continue
        yield replies
        done += len(rows)


def _attempt(rows: range, answer: Callable[[range], list[Reply]]) -> list[Reply] | None:
    """The replies to some questions together; None if memory is too short for this many."""
    try:
        return answer(rows)
    except Exception as error:
        if len(rows) == 1 or not is_memory_error(error):
            raise
    return None
