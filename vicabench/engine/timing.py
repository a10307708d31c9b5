"""How was the time of one start spent? Measured here, and put into a few lines for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

from vicabench import ending
from vicabench.adapters.abilities import CountsCalls, Measures
from vicabench.engine.decode import Decoded
from vicabench.errors import counted
from vicabench.types import Adapter, Spent

N = TypeVar("N", int, float)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The timing of one start, from the request of its first video to its end, in seconds.

    `waiting`, `answering` and `other` add up to `wall`. If several `processes` answered at the
    same time, all values but `wall` are sums over them, and add up to `theirs`.

    Attributes:
        waiting: The time spent waiting for decoded videos.
        answering: The time spent in the adapter.
        decode: The time spent decoding, summed over the `workers`, while others answered.
        prepare: The time spent in the adapter's `prepare`, also meanwhile.
        cached: How many videos came from the frame cache; None if there is none.
        spent: The part of `answering` that the adapter measured.
        theirs: The sum of the wall times of the processes, each from its first video to its last
            answer; None if this process answered.
        calls: The adapter's counts of its calls to an API (see `CountsCalls`); None without one.
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
    processes: int = 1
    theirs: float | None = None
    calls: Mapping[str, float | None] | None = None

    @property
    def whole(self) -> float:
        """The sum of `waiting`, `answering` and `other`."""
        return self.wall if self.theirs is None else self.theirs

    @property
    def other(self) -> float:
        """The rest: the adapter's work outside of its stages, and our own work."""
        stages = sum(self.spent.seconds.values()) or self.answering
        return max(0.0, self.whole - self.waiting - stages)

    def rates(self) -> dict[str, float]:
        """Tokens per second of every stage that counts them."""
        seconds = self.spent.seconds
        return {
            stage: count / seconds[stage]
            for stage, count in self.spent.tokens.items()
            if count and seconds.get(stage)
        }


def summed(timings: Sequence[Timing], *, wall: float, processes: int) -> Timing:
    """The timing of a start in which several processes answered: the sums of their timings.

    `timings` may have more entries than there were `processes` at a time, because lost processes
    are started again.
    """
    cached = [timing.cached for timing in timings if timing.cached is not None]
    return Timing(
        videos=sum(timing.videos for timing in timings),
        questions=sum(timing.questions for timing in timings),
        wall=wall,
        waiting=sum(timing.waiting for timing in timings),
        answering=sum(timing.answering for timing in timings),
        decode=sum(timing.decode for timing in timings),
        prepare=sum(timing.prepare for timing in timings),
        workers=processes * max(timing.workers for timing in timings),
        cached=sum(cached) if cached else None,
        spent=Spent(
            seconds=_total(timing.spent.seconds for timing in timings),
            tokens=_total(timing.spent.tokens for timing in timings),
        ),
        processes=processes,
        theirs=sum(timing.wall for timing in timings),
        calls=_all_calls([timing.calls for timing in timings if timing.calls is not None]),
    )


def _all_calls(
    accounts: Sequence[Mapping[str, float | None]],
) -> Mapping[str, float | None] | None:
    """The sum of the accounts; None for a name that is None in one of them.

    Names that begin with `price_` are not summed, because all accounts have the same prices.
    """
    if not accounts:
        return None
    names = dict.fromkeys(name for account in accounts for name in account)
    counts = {name: [account.get(name, 0) for account in accounts] for name in names}
    sums = {
        name: None if None in values else sum(each for each in values if each is not None)
        for name, values in counts.items()
    }
    prices = ((name, n) for account in accounts for name, n in account.items())
    return sums | {name: n for name, n in prices if name.startswith("price_")}


class Clock:
    """Measures where the time goes while the loop runs, from its construction on.

    `warned` receives a warning if the adapter's `spent` or `calls` is invalid.
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
        """Yield the same videos, and record how long each was waited for, decoded and prepared."""
        while True:
            start = perf_counter()
            try:
                with ending.interruptible():
                    decoded = next(stream)
            except StopIteration:
                return
            finally:
                self._waiting += perf_counter() - start
            self._decode += decoded.seconds
            self._prepare += decoded.prepare_seconds
            self._cached += decoded.cached
            yield decoded
            del decoded  # frees its frames while the next video is awaited

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Record the block's time as that of the adapter."""
        start = perf_counter()
        try:
            yield
        finally:
            self._answering += perf_counter() - start

    def count(self, predictions: Sequence[Any]) -> None:
        """Count a finished video and its predictions."""
        self._videos += 1
        self._questions += len(predictions)

    def timing(self) -> Timing | None:
        """The timing so far; None before the first video is done."""
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
        """The adapter's counts of its calls; None if it has none, or they are invalid."""
        try:
            calls = self._adapter.calls if isinstance(self._adapter, CountsCalls) else None
            return (
                None
                if calls is None
                else {
                    str(name): count if count is None or isinstance(count, int) else _finite(count)
                    for name, count in calls.items()
                }
            )
        except Exception as error:  # as for `spent`
            self._warned(f"the adapter's `calls` is not a mapping of counts: {error}")
            return None

    def _spent(self) -> Spent | None:
        """What the adapter has measured so far; None if it does not measure, or is invalid."""
        try:
            spent = self._adapter.spent if isinstance(self._adapter, Measures) else None
            return spent and Spent(
                seconds={str(stage): _finite(value) for stage, value in spent.seconds.items()},
                tokens={str(stage): int(count) for stage, count in spent.tokens.items()},
            )
        except Exception as error:  # an adapter may return anything; it must not end the run
            self._warned(f"the adapter's `spent` is not a Spent: {error}")
            return None


def _total(parts: Iterable[Mapping[str, N]]) -> dict[str, N]:
    total: dict[str, N] = {}
    for name, value in (item for part in parts for item in part.items()):
        total[name] = total[name] + value if name in total else value
    return total


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite")
    return number


def _difference(after: Spent | None, before: Spent | None) -> Spent:
    if after is None or before is None:
        return Spent(seconds={}, tokens={})
    return Spent(
        seconds={k: v - before.seconds.get(k, 0.0) for k, v in after.seconds.items()},
        tokens={k: v - before.tokens.get(k, 0) for k, v in after.tokens.items()},
    )


def account(timing: Timing) -> Iterator[str]:
    """Lines on what adds up to the wall time, and on what happened meanwhile, where measured."""
    parts = ", ".join([*_waiting(timing), *_stages(timing), f"other {timing.other:.1f} s"])
    asked = f"{counted(timing.videos, 'video')}, {counted(timing.questions, 'question')}"
    if timing.theirs is None:
        yield f"{timing.wall:.1f} s for {asked}: {parts}"
    else:
        yield (
            f"{timing.wall:.1f} s for {asked}; {timing.theirs:.1f} s summed over "
            f"{counted(timing.processes, 'process')}: {parts}"
        )
    if timing.workers:
        yield "meanwhile " + ", ".join(_meanwhile(timing))
    if "cached" in timing.spent.tokens:
        yield _found(timing.spent.tokens)
    if timing.calls:
        yield calls(timing.calls)


def _found(tokens: Mapping[str, int]) -> str:
    """A line on prompts that an engine found in its cache."""
    whole = tokens["cached"] + tokens.get("prefill", 0)
    share = tokens["cached"] / max(whole, 1)
    return f"{tokens['cached']:,} of {counted(whole, 'prompt token')} cached ({share:.0%})"


def calls(counts: Mapping[str, float | None]) -> str:
    """A line on calls to an API, from `vicabench.adapters.api.account.Account.record`."""
    known = {name: count or 0 for name, count in counts.items()}
    cost = counts.get("cost")
    written = known.get("cache_write_tokens", 0)
    retried, failed, unsent = (known.get(name, 0) for name in ("retried", "failed", "unsent"))
    return (
        f"{counted(known.get('sent', 0), 'request')} sent, {retried:,} of them again; "
        f"{counted(failed, 'call')} failed, {unsent:,} not made; "
        f"{counted(known.get('prompt_tokens', 0), 'prompt token')} "
        f"({known.get('cached_tokens', 0):,} cached"
        + (f", {written:,} written to the cache" if written else "")
        + "), "
        f"{counted(known.get('new_tokens', 0), 'new token')}; "
        + ("cost unknown" if cost is None else f"cost {cost:,.4f}")
    )


def account_lines(counts: Mapping[str, float | None] | None, cached: int) -> list[str]:
    """What was in the cache, and what was sent and came of it, in lines for people."""
    kept = [f"{counted(cached, 'reply was', 'replies were')} in the cache."] if cached else []
    return kept if counts is None else [*kept, f"{calls(counts)}."]


def _waiting(timing: Timing) -> Iterator[str]:
    if timing.workers:
        share = timing.waiting / timing.whole
        yield f"waiting for video {timing.waiting:.1f} s ({share:.0%})"


def _stages(timing: Timing) -> Iterator[str]:
    if not timing.spent.seconds:
        yield f"answering {timing.answering:.1f} s"
    rates = timing.rates()
    for stage, seconds in timing.spent.seconds.items():
        rate = f" ({rates[stage]:,.0f} tokens/s)" if stage in rates else ""
        yield f"{stage} {seconds:.1f} s{rate}"


def _meanwhile(timing: Timing) -> Iterator[str]:
    yield f"decoding {timing.decode:.1f} s in {counted(timing.workers, 'worker')}"
    if timing.cached is not None:
        yield f"{timing.cached} of {counted(timing.videos, 'video')} from the frame cache"
    if timing.prepare:
        yield f"preparing {timing.prepare:.1f} s"
