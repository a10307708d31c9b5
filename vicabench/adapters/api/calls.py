"""Calls to any API: bounded, retried, kept within a budget, and counted."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import Future, as_completed
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Thread
from time import perf_counter
from typing import Any, Protocol, TypeVar

import httpx2
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential
from tenacity.wait import wait_base

from vicabench.adapters.api.account import (
    CONNECTION,
    MALFORMED,
    TIMEOUT,
    UPLOAD,
    Account,
    CallError,
    Completion,
    Usage,
    price_of,
    scrubbed,
    shortened,
)
from vicabench.errors import ConfigError, counted
from vicabench.options import ApiOptions
from vicabench.predictions import BUDGET
from vicabench.runtime import within

LONGEST_BACKOFF = 60.0
"""Seconds up to which the pause before a retry grows by itself."""
LONGEST_RETRY_AFTER = 600.0
"""Seconds that a server may ask for; for a longer pause the run ends instead."""


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Parse Retry-After, a number of seconds or an HTTP date (RFC 9110, 10.2.3).

    OpenAI's `retry-after-ms` has precedence.

    Returns:
        Seconds; None if the header is missing or invalid.
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
    """Exponential backoff with full jitter from `first` seconds on, at least Retry-After."""

    def __init__(self, first: float) -> None:
        self._jitter = wait_random_exponential(multiplier=first, max=LONGEST_BACKOFF)

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds until the next attempt."""
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = getattr(error, "retry_after", None) or 0.0
        return max(float(asked), self._jitter(retry_state))


T = TypeVar("T")


class Background:
    """Runs coroutines in a daemon thread, for callers in any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="api", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine, which is cancelled if the wait is interrupted."""
        (result,) = self.each([work])
        return result

    def each(self, works: Sequence[Coroutine[Any, Any, T]]) -> Iterator[T]:
        """Yield results of coroutines as they are ready; cancel the rest if the caller stops."""
        futures: list[Future[T]] = [
            asyncio.run_coroutine_threadsafe(work, self._loop) for work in works
        ]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Stop the loop and its thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


LARGEST = 32 << 20
"""The limit for a reply's body in bytes: hundreds of times the longest answer of a model."""


def same_host_only(address: str) -> Callable[[httpx2.Request], Awaitable[None]]:
    """A request hook that raises CallError for any other host than that of `address`.

    A server chooses itself the URL to which a video is uploaded.
    """
    allowed = httpx2.URL(address)

    async def check(request: httpx2.Request) -> None:
        if _origin(request.url) != _origin(allowed):
            reason = f"the server wants it sent to another host ({request.url.host})"
            raise CallError(UPLOAD, reason)

    return check


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


async def request_uncompressed(request: httpx2.Request) -> None:
    """A request hook that asks for no compression: a small body could expand a thousandfold."""
    request.headers["Accept-Encoding"] = "identity"


async def limit_body(response: httpx2.Response) -> None:
    """A response hook that raises CallError for a compressed body, or one that is too long."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise CallError(MALFORMED, f"the reply is compressed ({encoding}), which was not requested")
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: object) -> None:
        if not isinstance(stream, httpx2.AsyncByteStream):
            raise TypeError(f"not an asynchronous stream: {stream!r}")
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._stream:
            received += len(chunk)
            if received > LARGEST:
                raise CallError(MALFORMED, f"the reply is longer than {LARGEST:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


LOG = logging.getLogger(__name__)
NOTABLE = 5.0
"""Seconds of a pause that is worth a line in the log."""
ATTEMPT: ContextVar[int] = ContextVar("ATTEMPT", default=1)
"""The number of the attempt that the running task makes."""


class Calls:
    """Makes the calls to one model, from any thread; `account` counts them.

    Args:
        keys: Secrets that are removed from every text that is returned.

    Raises:
        ConfigError: For options that contradict each other, or a price list without this model.
    """

    def __init__(self, model: str, options: ApiOptions, keys: Sequence[str]) -> None:
        if options.max_cost is not None and not options.prices:
            raise ConfigError(
                "--max-cost needs the prices of tokens: add --prices FILE with those of your "
                "contract. vicabench includes none."
            )
        if options.max_retries == 0 and "retry_wait" in options.given():
            raise ConfigError("--max-retries 0 retries nothing: leave out --retry-wait.")
        self.options, self._keys = options, keys
        self.account = Account(
            max_requests=options.max_requests,
            max_cost=options.max_cost,
            price=price_of(model, options.prices),
        )
        self._background = Background()
        self._clients: list[httpx2.AsyncClient] = []
        # With a limit of cost, one call at a time until the cost of a call is known.
        self._held_slots = options.concurrency - 1 if options.max_cost is not None else 0
        self._slots = asyncio.Semaphore(options.concurrency - self._held_slots)
        self._call_ended = asyncio.Event()
        self._not_before = 0.0

    def http(self, address: str) -> httpx2.AsyncClient:
        """The HTTP client for a provider's library; sends to the host of `address` only.

        It follows no redirects: keys and videos are sent only to the host that the user named.
        """
        request_hooks = [same_host_only(address), request_uncompressed, self._sending]
        client = httpx2.AsyncClient(
            event_hooks={"request": request_hooks, "response": [limit_body]},
            timeout=None,
            follow_redirects=False,
            # Unlimited connections: a request that waits for one would count as sent.
            limits=httpx2.Limits(max_keepalive_connections=self.options.concurrency),
        )
        self._clients.append(client)
        return client

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine that makes calls."""
        return self._background.run(work)

    def each(self, works: Sequence[Coroutine[Any, Any, T]]) -> Iterator[T]:
        """Yield results as they are ready; at most `concurrency` calls are made at once."""
        return self._background.each(works)

    def safe_text(self, text: str) -> str:
        """A text of a server or a client on one line, shortened and without keys."""
        # In this order: shortening first could leave half a key.
        return shortened(scrubbed(text, self._keys))

    def close(self) -> None:
        """Close the connections and end the thread."""
        for client in self._clients:
            self.run(client.aclose())
        self._clients.clear()
        self._background.close()

    async def call(self, send: Callable[[], Awaitable[T]], *, free: bool = False) -> tuple[T, int]:
        """Return the result of `send`, and how many attempts it took.

        `send` makes one attempt. A `free` call is made even if the budget is spent.

        Raises:
            CallError: If no attempt succeeded; other exceptions of `send` become one.
        """
        attempts = adapted = 0

        async def attempt() -> T:
            nonlocal attempts, adapted
            await self._pause()
            while not free and self.account.must_wait:
                await self._call_ended.wait()
            self.account.begin(free=free)
            try:
                attempts += 1
                ATTEMPT.set(attempts)
                return await self._once(send)
            except CallError as error:
                attempts -= error.kind == BUDGET  # it was not sent
                adapted += error.adapted
                raise
            finally:
                self.account.end()
                self._call_ended.set()  # wakes all waiting calls, which check the budget again
                self._call_ended = asyncio.Event()

        retrying = AsyncRetrying(
            stop=lambda state: state.attempt_number > self.options.max_retries + adapted,
            wait=Backoff(self.options.retry_wait),
            retry=retry_if_exception(_is_retryable),
            reraise=True,
        )
        async with self._slots:
            try:
                return await retrying(attempt), attempts
            except CallError as error:
                raise self._final(error, attempts) from None

    async def complete(self, send: Callable[[], Awaitable[Completion]]) -> Completion:
        """Return the completion of `send` without keys, with its cost, attempts and seconds."""
        started = perf_counter()

        async def counted() -> Completion:  # inside the call, before the next one checks the budget
            completion = await send()
            return replace(completion, cost=self._received(completion.usage))

        completion, attempts = await self.call(counted)
        completion = replace(completion, attempts=attempts, seconds=perf_counter() - started)
        return self.settled(completion)

    def settled(self, completion: Completion) -> Completion:
        """Count a reply that has arrived, and remove keys from it."""
        self.account.answered += 1
        return replace(
            completion,
            text=scrubbed(completion.text, self._keys),
            stop=self.safe_text(completion.stop),
            served_by=completion.served_by and self.safe_text(completion.served_by),
        )

    async def _once(self, send: Callable[[], Awaitable[T]]) -> T:
        """Make one attempt; any exception becomes a CallError."""
        seconds = self.options.request_timeout
        try:
            async with within(seconds):
                return await send()
        except CallError as error:
            if error.usage is not None and error.usage != Usage():
                error.cost = self._received(error.usage)
            self._apply_retry_after(error)
            raise
        except TimeoutError:
            reason = f"no complete reply within {counted(seconds, 'second')} (--request-timeout)"
            raise CallError(TIMEOUT, reason, retryable=True) from None
        except httpx2.TransportError as error:
            raise CallError(CONNECTION, _described(error), retryable=True) from None
        except Exception as error:  # a client may fail on anything that a server sends
            raise CallError(MALFORMED, _described(error)) from None

    def _received(self, usage: Usage) -> float | None:
        while self._held_slots:
            self._held_slots -= 1
            self._slots.release()
        return self.account.received(usage)

    async def _pause(self) -> None:
        """Wait until the end of the pause that the server asked for in any call."""
        loop = asyncio.get_running_loop()
        while (seconds := self._not_before - loop.time()) > 0:
            await asyncio.sleep(seconds)

    def _apply_retry_after(self, error: CallError) -> None:
        """Pause as long as the server asks; if that is too long, give up."""
        if not error.retryable or error.retry_after is None:
            return
        if error.retry_after > LONGEST_RETRY_AFTER:
            error.retryable, error.fatal, error.give_up_after, error.busy = False, True, 1, True
            error.reason = f"to be retried in {error.retry_after:,.0f} seconds: {error.reason}"
        else:
            now = asyncio.get_running_loop().time()
            self._not_before = max(self._not_before, now + error.retry_after)
            if error.retry_after >= NOTABLE:
                LOG.warning("The server asks for a pause of %.0f seconds", error.retry_after)

    def _final(self, error: CallError, attempts: int) -> CallError:
        error.attempts = attempts
        error.reason = self.safe_text(error.reason)
        self.account.call_failed(error)
        return error

    async def _sending(self, request: httpx2.Request) -> None:
        # Files stored at a provider are deleted even if the budget is spent.
        self.account.sending(retry=ATTEMPT.get() > 1, free=request.method == "DELETE")


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, CallError) and error.retryable


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class Model(Protocol):
    """A provider's model: replies to one user message, made of the provider's parts."""

    calls: Calls

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that can change a reply, as JSON values."""

    async def reply(self, parts: Sequence[Any], max_new_tokens: int, repeat: int = 0) -> Completion:
        """Return the reply, sampled with the seed of a repeat; CallError if there is none."""


def refusal(error: CallError, model: Model) -> CallError | ConfigError:
    """The error itself, or a ConfigError if the server has refused all calls from the start."""
    if not error.final:
        return error
    name, endpoint = model.settings["model"], model.settings["endpoint"]
    retry = " --retry-errors asks the failed questions again." * (error.give_up_after > 1)
    advice = "Check the key, the account and the name."
    if error.busy:
        advice = "Repeat the same command after that time."
    return ConfigError(f"{name} at {endpoint} cannot be asked: {error}. {advice}{retry}")
