"""How the time of a run was spent, and its calls to an API, in a few lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vicabench.engine.timing import Timing
from vicabench.text import counted


def account(timing: Timing) -> Iterator[str]:
    """What adds up to the wall time, then what happened meanwhile; only what was measured."""
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
    if timing.calls:
        yield calls(timing.calls)


def calls(counts: Mapping[str, float | None]) -> str:
    """The account of calls to an API, by `vicabench.adapters.api.account.Account.record`."""
    found = {name: count or 0 for name, count in counts.items()}
    cost = counts.get("cost")
    retried, failed, unsent = (found.get(name, 0) for name in ("retried", "failed", "unsent"))
    return (
        f"{counted(found.get('sent', 0), 'request')} sent, {retried:,} of them again; "
        f"{counted(failed, 'call')} failed, {unsent:,} not made; "
        f"{counted(found.get('prompt_tokens', 0), 'prompt token')} "
        f"({found.get('cached_tokens', 0):,} cached), "
        f"{counted(found.get('new_tokens', 0), 'new token')}; "
        + ("cost unknown" if cost is None else f"cost {cost:,.4f}")
    )


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
