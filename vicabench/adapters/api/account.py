"""The account of all calls to one model: what was sent, what came of it, and when to stop."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from vicabench.adapters.api.completion import Usage
from vicabench.adapters.api.failures import CallError
from vicabench.adapters.api.prices import Price
from vicabench.results.predictions import BUDGET
from vicabench.text import counted

CALLS = ("sent", "retried", "answered", "failed", "unsent")
TOKENS = ("prompt_tokens", "cached_tokens", "new_tokens")


@dataclass(kw_only=True)
class Account:
    """Counts HTTP requests as they leave, and refuses what the budget does not have.

    `sent` requests left, `retried` of them to repeat one that failed. `answered` calls brought a
    reply, `failed` ones were given up, `unsent` ones never made, for the budget was spent or the
    server had refused all. Tokens, and what was `spent` on them, are those that servers reported,
    replies that could not be used included; what a reply took that never arrived, nobody here
    knows. `unpriced` replies have no known cost; calls `under_way` may cost as much as the
    `dearest` so far. Of the failed calls `refused` ones failed as if all would. `stopped` says why
    nothing more is sent.
    """

    max_requests: int | None = None
    max_cost: float | None = None
    price: Price | None = None
    sent: int = 0
    retried: int = 0
    answered: int = 0
    failed: int = 0
    unsent: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    new_tokens: int = 0
    spent: float = 0.0
    unpriced: int = 0
    under_way: int = 0
    dearest: float = 0.0
    refused: int = 0
    stopped: CallError | None = None

    def sending(self, *, again: bool, free: bool = False) -> None:
        """Count a request that is about to leave; CallError if the budget does not have it.

        A `free` one leaves whatever the budget says.
        """
        over = self.max_requests is not None and self.sent >= self.max_requests
        if over and not free:
            self._stop(f"--max-requests allows {counted(self.max_requests or 0, 'request')}")
        self.sent += 1
        self.retried += again

    @property
    def must_wait(self) -> bool:
        """Whether one of those under way has to end before it is known if another can be paid.

        What a call costs is known afterwards, so that each of those under way, and one more, is
        taken to cost as much as the dearest so far.
        """
        if self.max_cost is None or self.stopped or self.spent >= self.max_cost:
            return False
        likely = self.spent + self.dearest * (self.under_way + 1)
        return self.under_way > 0 and likely > self.max_cost

    def begin(self, *, free: bool = False) -> None:
        """Count a call as under way; CallError if nothing more may be sent, unless it is `free`."""
        if self.stopped and not free:
            raise CallError(self.stopped.kind, self.stopped.reason)
        limit = math.inf if free or self.max_cost is None else self.max_cost
        if self.spent >= limit or self.spent + self.dearest > limit:
            self._stop(f"{self.spent:.4f} of --max-cost {limit:g} was spent")
        self.under_way += 1

    def end(self) -> None:
        """A call is no longer under way."""
        self.under_way -= 1

    def received(self, usage: Usage) -> float | None:
        """Add what a reply took; its cost, None if that cannot be known."""
        self.prompt_tokens += usage.prompt_tokens or 0
        self.cached_tokens += usage.cached_tokens or 0
        self.new_tokens += usage.new_tokens or 0
        cost = self.price.of(usage) if self.price else None
        self.unpriced += cost is None
        self.spent += cost or 0.0
        self.dearest = max(self.dearest, cost or 0.0)
        if cost is None and self.max_cost is not None:
            reason = "the server does not say how many tokens it charges: --max-cost cannot be kept"
            self.stopped = self.stopped or CallError(BUDGET, reason)
        return cost

    def gave_up(self, error: CallError) -> None:
        """A call ended without an answer."""
        self.unsent += not error.attempts
        self.failed += error.attempts > 0
        self.refused += error.hopeless > 0
        error.final = not self.answered and 0 < error.hopeless <= self.refused
        if error.fatal or error.final:
            self.stopped = self.stopped or error

    def record(self) -> dict[str, Any]:
        """All counts, and the price, as JSON values; `cost` is None if any reply has none."""
        counts = {name: getattr(self, name) for name in CALLS + TOKENS}
        price = {f"price_{k}": v for k, v in asdict(self.price).items()} if self.price else {}
        cost = self.spent if self.price and not self.unpriced else None
        return {**counts, "cost": cost, **price}

    def _stop(self, reason: str) -> None:
        self.stopped = self.stopped or CallError(BUDGET, reason)
        raise CallError(BUDGET, reason)
