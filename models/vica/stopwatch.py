"""How long each stage took, and how many tokens it computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import torch


class Stopwatch:
    """Seconds and tokens by stage, added up since it was made."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.tokens: Counter[str] = Counter()

    @contextmanager
    def measure(self, stage: str, device: torch.device) -> Iterator[None]:
        """Add the time that the block takes, with all it has asked of the device."""
        started = perf_counter()
        try:
            yield
        finally:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            self.seconds[stage] = self.seconds.get(stage, 0.0) + perf_counter() - started
