"""Work on a GPU recorded once and repeated, for the host then launches one graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Captured:
    """A computation as a CUDA graph; it reads and writes the same tensors each time.

    Args:
        work: Launches the computation and returns its result; it must not wait for the device, and
            may be run several times without changing anything more than once.
        device: A CUDA device.
    """

    def __init__(self, work: Callable[[], Tensor], device: torch.device) -> None:
        here = torch.cuda.current_stream(device)
        aside = torch.cuda.Stream(device)
        aside.wait_stream(here)
        with torch.cuda.stream(aside):  # libraries set up their workspaces, which is not recorded
            work()
        here.wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may prepare the next video meanwhile.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._result = work()

    def __call__(self) -> Tensor:
        """Compute once more, and return a copy of the result."""
        self._graph.replay()
        return self._result.clone()
