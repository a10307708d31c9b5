"""What the commands share that ask a language model about texts: options, cache, account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def account_lines(record: Mapping[str, Any] | None, cached: int) -> list[str]:
    """What was sent and what it came to, as an `Account` records it, in lines for people."""
    kept = [f"{cached:,} replies were in the cache."] if cached else []
    if record is None:
        return kept
    sent = (
        f"{record['sent']:,} requests sent, {record['retried']:,} of them again; "
        f"{record['failed']:,} calls failed, {record['unsent']:,} were not made"
    )
    tokens = f"{record['prompt_tokens']:,} prompt tokens, {record['new_tokens']:,} new ones"
    cost = "cost unknown" if record["cost"] is None else f"cost {record['cost']:.4f}"
    return [*kept, f"{sent}; {tokens}, {cost}."]
