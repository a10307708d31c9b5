"""What do calls return and cost? Replies, failures, keys, prices, and the account of one model."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vicabench.errors import ConfigError, counted
from vicabench.predictions import BUDGET

MOST = 10**12
"""A larger number of tokens is nonsense, and might overflow a float."""


BATCH_SHARE = 0.5
"""What a request of OpenAI's batch API costs of the listed price."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one call as the server counted them; None where it did not report them.

    Attributes:
        prompt_tokens: Tokens of the prompt, cached ones included.
        cached_tokens: Those of `prompt_tokens` that the server had in its cache.
        cache_write_tokens: Those of `prompt_tokens` that it has put there, if it charges for that.
        new_tokens: Tokens of the reply and of the model's thoughts, which providers charge alike.
    """

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    new_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A complete reply, or one that was cut at the limit of tokens.

    Attributes:
        stop: `length` if the reply was cut.
        served_by: The model's name as the server reports it.
        without: The settings that this model refused, and that were left out.
        cost: The price of the reply; None if it is unknown.
        attempts: How often the call was sent.
        seconds: The time from the first attempt to the reply, pauses included.
    """

    text: str
    stop: str
    usage: Usage
    served_by: str | None = None
    without: tuple[str, ...] = ()
    cost: float | None = None
    attempts: int = 1
    seconds: float = 0.0


def count(value: Any) -> int | None:
    """A number of tokens from a server; None for any other value."""
    valid = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
    return value if valid else None


TIMEOUT, CONNECTION, HTTP = "timeout", "connection", "http"
REFUSAL, FILTERED, EMPTY, MALFORMED = "refusal", "filtered", "empty", "malformed"
UPLOAD = "upload"
TRANSIENT_STATUS = frozenset({408, 409, 429})
"""With all from 500 on: the statuses that the providers' own clients retry."""
UNAUTHORIZED = 401
GIVE_UP_AFTER = {UNAUTHORIZED: 1, 403: 3, 404: 1}
"""No key, not allowed, no such model: after so many calls without any answer, none will come.

Some gateways answer 403 to a single prompt that they refuse, so one is not enough.
"""
LONGEST_REASON = 500


class CallError(Exception):
    """A call without an answer; its text begins with its `kind`: `budget: ...`.

    Attributes:
        retryable: The same call may succeed later, after `retry_after` seconds if the server
            asked for a pause.
        adapted: The next attempt leaves out a refused setting; it is not counted as a retry.
        fatal: No call will succeed any more.
        give_up_after: After so many calls failed this way and none was answered, the model is
            given up; 0 for errors that say nothing about other calls.
        final: The model was given up with this error.
        busy: The server asked for a pause that is too long to wait for.
        usage: What the failed reply took, if there was one; `cost` is its price.
        attempts: How often the call was sent.
    """

    def __init__(
        self,
        kind: str,
        reason: str,
        *,
        retryable: bool = False,
        fatal: bool = False,
        give_up_after: int = 0,
        adapted: bool = False,
        retry_after: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(kind, reason)
        self.busy = False
        self.kind, self.reason = kind, reason
        self.retryable, self.fatal = retryable, fatal
        self.give_up_after = 1 if fatal else give_up_after
        self.adapted, self.retry_after, self.usage = adapted, retry_after, usage
        self.final = False
        self.cost: float | None = None
        self.attempts = 0

    def __str__(self) -> str:
        times = f" ({counted(self.attempts, 'attempt')})" if self.attempts > 1 else ""
        return f"{self.kind}: {self.reason}{times}"


def of_status(
    status: int, reason: str, *, retry_after: float | None = None, spent: bool = False
) -> CallError:
    """The error for an HTTP status.

    `retry_after` is what the server's Retry-After asks for, in seconds; `spent` marks a quota
    that waiting does not refill.
    """
    retryable = (status in TRANSIENT_STATUS or status >= 500) and not spent
    return CallError(
        HTTP,
        f"{status}: {reason}",
        retryable=retryable,
        fatal=spent or status == UNAUTHORIZED,
        give_up_after=GIVE_UP_AFTER.get(status, 0),
        retry_after=retry_after,
    )


def shortened(text: str) -> str:
    """Shorten a text to one line of `LONGEST_REASON` characters: servers send whole pages."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_REASON else flat[: LONGEST_REASON - 3] + "..."


REDACTED = "[key]"
SHORTEST = 8
"""A shorter secret is not a key, and replacing it would remove words from replies."""


def key_from(names: Sequence[str]) -> str:
    """The key in the first of these environment variables that is set, or an empty text.

    Raises:
        ConfigError: For a key that cannot be sent; the message does not contain it.
    """
    for name in names:
        if key := os.environ.get(name, "").strip():
            if not key.isascii() or not key.isprintable() or " " in key:
                raise ConfigError(
                    f"{name} holds characters that cannot be part of a key: set it again."
                )
            return key
    return ""


def scrubbed(text: str, keys: Sequence[str]) -> str:
    """Remove the keys from a text, in case a server or a library has put one into it."""
    for key in keys:
        if len(key) >= SHORTEST:
            text = text.replace(key, REDACTED)
    return text


def checked_url(url: str) -> str:
    """The address of a server without a slash at its end.

    Raises:
        ConfigError: For an invalid address, or one that carries a secret; the message does not
            contain it.
    """
    try:
        parts = urlsplit(url)
        secret = "@" in parts.netloc or bool(parts.query) or bool(parts.fragment)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises ValueError for an invalid port
    except ValueError:
        valid, secret = False, False
    if secret:
        raise ConfigError(
            "--base-url is written to the run folder, so it must not contain a user, password, "
            "query or fragment. Set the key in the environment."
        )
    if not valid:
        raise ConfigError("--base-url must be an address such as http://localhost:8000/v1")
    return url.rstrip("/")


MILLION = 1_000_000
EXAMPLE = '{"MODEL": {"input": 2.5, "cached_input": 1.25, "output": 10}}'


@dataclass(frozen=True, kw_only=True)
class Price:
    """Prices of a million tokens, in the currency of the list."""

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None

    def of(self, usage: Usage) -> float | None:
        """The cost of a call; None if it is unknown.

        It is if the server did not count the tokens, or wrote some to its cache without a
        `cache_write` price. Without a `cached_input` price, cached tokens cost as much as others.
        """
        if usage.prompt_tokens is None or usage.new_tokens is None:
            return None
        if usage.cache_write_tokens and self.cache_write is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        cached_price = self.input if self.cached_input is None else self.cached_input
        written = min(usage.cache_write_tokens or 0, usage.prompt_tokens - cached)
        fresh = usage.prompt_tokens - cached - written
        read = fresh * self.input + cached * cached_price + written * (self.cache_write or 0.0)
        return (read + usage.new_tokens * self.output) / MILLION


def price_of(model: str, file: str) -> Price | None:
    """The price of a model in a JSON or YAML file of prices; None if no file is named.

    Raises:
        ConfigError: For a file that cannot be read, or has no valid price for this model.
    """
    if not file:
        return None
    listed = _read(Path(file))
    if not isinstance(listed, dict) or model not in listed:
        raise ConfigError(f"--prices {file} has no price for {model}. Its form is {EXAMPLE}")
    entry = listed[model]
    names = {"input", "output", "cached_input", "cache_write"}
    has_names = isinstance(entry, dict) and {"input", "output"} <= entry.keys() <= names
    if not has_names or not all(map(_is_price, entry.values())):
        raise ConfigError(
            f"--prices {file}: {model} needs input and output and may have cached_input and "
            f"cache_write, each the price of a million tokens: {EXAMPLE}"
        )
    return Price(**{name: float(value) for name, value in entry.items()})


def _read(file: Path) -> Any:
    yaml = file.suffix.lower() in (".yaml", ".yml")
    try:
        text = file.read_text(encoding="utf-8")
        return _yaml(text) if yaml else json.loads(text)
    except OSError as error:
        raise ConfigError(f"--prices {file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--prices {file} is not {'YAML' if yaml else 'JSON'}: {error}") from None


def _yaml(text: str) -> Any:
    """Parse a YAML text; ValueError if it is invalid."""
    import yaml  # noqa: PLC0415  (of an extra, and needed for YAML only)

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from None


def _is_price(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0


CALLS = ("sent", "retried", "answered", "failed", "unsent")
TOKENS = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "new_tokens")


@dataclass(kw_only=True)
class Account:
    """Counts HTTP requests as they are sent, and refuses those beyond the budget.

    Tokens and costs are those that servers reported, also for replies that could not be used. The
    cost of a reply that never arrived is unknown.

    Attributes:
        max_requests: The most requests that may be sent; None for no limit.
        max_cost: The most that may be spent; None for no limit.
        sent: Requests sent, retries included.
        retried: Requests that repeated a failed one.
        answered: Calls that returned a reply.
        failed: Calls that were given up.
        unsent: Calls that were never sent: the budget was spent, or the model given up.
        spent: The cost of all replies with a known cost.
        unpriced: Replies without a known cost.
        under_way: Calls that have not ended yet.
        dearest: The highest cost of a reply so far.
        refused: Failed calls with an error that other calls are likely to get too.
        stopped: Why nothing more is sent; None while there is no reason.
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
    cache_write_tokens: int = 0
    new_tokens: int = 0
    spent: float = 0.0
    unpriced: int = 0
    under_way: int = 0
    dearest: float = 0.0
    refused: int = 0
    stopped: CallError | None = None

    def sending(self, *, retry: bool, free: bool = False) -> None:
        """Count a request that is about to be sent.

        Raises:
            CallError: If it is beyond the budget, unless it is `free`.
        """
        over = self.max_requests is not None and self.sent >= self.max_requests
        if over and not free:
            self._stop(f"--max-requests allows {counted(self.max_requests or 0, 'request')}")
        self.sent += 1
        self.retried += retry

    @property
    def must_wait(self) -> bool:
        """Whether another call may exceed the budget, so that one under way must end first.

        The cost of a call is known only afterwards. Each call under way, and the next one, is
        assumed to cost as much as the dearest so far.
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
        """Count a call as ended."""
        self.under_way -= 1

    def received(self, usage: Usage, share: float = 1.0) -> float | None:
        """Add the tokens and the cost of a reply; return the cost, None if it is unknown.

        `share` is that of the listed prices which is charged.
        """
        self.prompt_tokens += usage.prompt_tokens or 0
        self.cached_tokens += usage.cached_tokens or 0
        self.cache_write_tokens += usage.cache_write_tokens or 0
        self.new_tokens += usage.new_tokens or 0
        cost = self.price.of(usage) if self.price else None
        cost = None if cost is None else share * cost
        self.unpriced += cost is None
        self.spent += cost or 0.0
        self.dearest = max(self.dearest, cost or 0.0)
        if cost is None and self.max_cost is not None:
            reason = "the server does not report its tokens, so --max-cost cannot be enforced"
            self.stopped = self.stopped or CallError(BUDGET, reason)
        return cost

    def call_failed(self, error: CallError) -> None:
        """Count a call that ended without an answer, and stop if no call will get one."""
        self.unsent += not error.attempts
        self.failed += error.attempts > 0
        self.refused += error.give_up_after > 0
        error.final = not self.answered and 0 < error.give_up_after <= self.refused
        if error.fatal or error.final:
            self.stopped = self.stopped or error

    def record(self) -> dict[str, Any]:
        """All counts and the price as JSON values; `cost` is None if a reply has no known cost."""
        counts = {name: getattr(self, name) for name in CALLS + TOKENS}
        known = asdict(self.price).items() if self.price else ()
        price = {f"price_{name}": value for name, value in known if value is not None}
        cost = self.spent if self.price and not self.unpriced else None
        return {**counts, "cost": cost, **price}

    def _stop(self, reason: str) -> None:
        self.stopped = self.stopped or CallError(BUDGET, reason)
        raise CallError(BUDGET, reason)
