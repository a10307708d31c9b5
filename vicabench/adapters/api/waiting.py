"""How long to wait before a call is made again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tenacity import RetryCallState, wait_random_exponential
from tenacity.wait import wait_base

LONGEST_BACKOFF = 60.0
"""Seconds that a wait grows to by itself."""
LONGEST_ASKED = 600.0
"""Seconds that a server may ask for; whoever wants more is not waited for at all."""


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """The seconds that Retry-After asks for, a number or an HTTP date (RFC 9110, 10.2.3).

    None if it asks for nothing that can be understood; OpenAI's `retry-after-ms` goes first.
    """
    try:
        return _seconds(float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    text = headers.get("retry-after", "")
    try:
        return _seconds(float(text))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return _seconds((aware - datetime.now(UTC)).total_seconds())


def _seconds(value: float) -> float | None:
    return max(0.0, value) if math.isfinite(value) else None


class Backoff(wait_base):
    """Exponential with full jitter from `first` seconds on, and never less than what was asked."""

    def __init__(self, first: float) -> None:
        self._jitter = wait_random_exponential(multiplier=first, max=LONGEST_BACKOFF)

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds until the next attempt."""
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = getattr(error, "wait", None) or 0.0
        return max(float(asked), self._jitter(retry_state))
