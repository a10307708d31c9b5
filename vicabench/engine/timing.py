"""How the time of one start was spent: what was measured, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from vicabench.engine.decode import Decoded
from vicabench.types import Adapter, Spent


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The account of one start, from asking for the first video to its end.

    `waiting`, `answering` and the rest make up `wall`; `decode`, summed over `workers`, and
    `prepare` happen meanwhile. `spent` is the part of `answering` that the adapter measured.
    `cached` videos came from the frame cache, None if there is none. All times are seconds.
    `calls` is the adapter's account of its calls to an API (see `Adapter`), None if it has none.
    """

    videos: int
    questions: int
    wall: float
    waiting: float
    answering: float
    decode: float
    prepare: float
    workers: int
    cached: int | None
    spent: Spent
    calls: Mapping[str, float | None] | None = None

    @property
    def other(self) -> float:
        """What is left of the wall time: the adapter's own work beside its stages, and ours."""
        stages = sum(self.spent.seconds.values()) or self.answering
        return max(0.0, self.wall - self.waiting - stages)

    def rates(self) -> dict[str, float]:
        """Tokens per second of every stage that counts them."""
        seconds = self.spent.seconds
        return {
            stage: count / seconds[stage]
            for stage, count in self.spent.tokens.items()
            if count and seconds.get(stage)
        }


class Clock:
    """Adds up where the time goes, while the loop runs; it starts when it is made.

    `warned` is told when the adapter's `spent` is none.
    """

    def __init__(
        self, adapter: Adapter, *, workers: int, cache: bool, warned: Callable[[str], None]
    ) -> None:
        self._adapter, self._workers, self._cache = adapter, workers, cache
        self._warned = warned
        self._before = self._spent()
        self._waiting = self._answering = self._decode = self._prepare = 0.0
        self._videos = self._questions = self._cached = 0
        self._start = perf_counter()

    def waited(self, stream: Iterator[Decoded]) -> Iterator[Decoded]:
        """The same videos; the time that each was waited for is noted, and what it took."""
        while True:
            start = perf_counter()
            try:
                decoded = next(stream)
            except StopIteration:
                return
            finally:
                self._waiting += perf_counter() - start
            self._decode += decoded.seconds
            self._prepare += decoded.prepare_seconds
            self._cached += decoded.cached
            yield decoded
            del decoded  # its memory is wanted for the next one

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Note the time that the adapter takes."""
        start = perf_counter()
        try:
            yield
        finally:
            self._answering += perf_counter() - start

    def count(self, kept: Sequence[Any]) -> None:
        """One more video, with so many answers, is done."""
        self._videos += 1
        self._questions += len(kept)

    def timing(self) -> Timing | None:
        """The account up to now; None if no video is done."""
        if not self._videos:
            return None
        return Timing(
            videos=self._videos,
            questions=self._questions,
            wall=perf_counter() - self._start,
            waiting=self._waiting,
            answering=self._answering,
            decode=self._decode,
            prepare=self._prepare,
            workers=self._workers,
            cached=self._cached if self._cache else None,
            spent=_difference(self._before and self._spent(), self._before),
            calls=self._calls(),
        )

    def _calls(self) -> dict[str, float | None] | None:
        """The adapter's account of its calls; None if it makes none, or counts them wrongly."""
        try:
            found = getattr(self._adapter, "calls", None)
            return found and {
                str(name): count if count is None or isinstance(count, int) else _finite(count)
                for name, count in found.items()
            }
        except Exception as error:  # as for `spent`
            self._warned(f"the adapter's `calls` is no account: {error}")
            return None

    def _spent(self) -> Spent | None:
        """What the adapter has measured so far; None if it does not measure, or wrongly."""
        try:
            found = getattr(self._adapter, "spent", None)
            return found and Spent(
                seconds={str(stage): _finite(value) for stage, value in found.seconds.items()},
                tokens={str(stage): int(count) for stage, count in found.tokens.items()},
            )
        except Exception as error:  # an adapter may be anything; no reason to lose a run
            self._warned(f"the adapter's `spent` is no Spent: {error}")
            return None


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number to count with")
    return number


def _difference(after: Spent | None, before: Spent | None) -> Spent:
    if after is None or before is None:
        return Spent(seconds={}, tokens={})
    return Spent(
        seconds={k: v - before.seconds.get(k, 0.0) for k, v in after.seconds.items()},
        tokens={k: v - before.tokens.get(k, 0) for k, v in after.tokens.items()},
    )
