"""What the commands share that ask a language model about texts: options, cache, account."""

from __future__ import annotations

from collections.abc import Mapping

from vicabench.cli.options import (
    AttentionOption,
    BaseUrlOption,
    ConcurrencyOption,
    DeviceOption,
    DtypeOption,
    MaxCostOption,
    MaxRequestsOption,
    MaxRetriesOption,
    PricesOption,
    RequestTimeoutOption,
    RetryWaitOption,
)
from vicabench.errors import counted


def options(
    *,
    base_url: BaseUrlOption = "",
    concurrency: ConcurrencyOption = 8,
    request_timeout: RequestTimeoutOption = 120.0,
    max_retries: MaxRetriesOption = 5,
    retry_wait: RetryWaitOption = 1.0,
    max_requests: MaxRequestsOption = None,
    max_cost: MaxCostOption = None,
    prices: PricesOption = "",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "sdpa",
) -> None:
    """How a language model is called or run, whichever command does it."""


def account_lines(counts: Mapping[str, float | None] | None, cached: int) -> list[str]:
    """What was in the cache, and what was sent and came of it, in lines for people."""
    from vicabench.engine.timing import calls

    kept = [f"{counted(cached, 'reply was', 'replies were')} in the cache."] if cached else []
    return kept if counts is None else [*kept, f"{calls(counts)}."]
