"""One way to call every API: bounded, repeated when that may help, within a budget, counted.

The providers' clients repeat nothing themselves here, and every HTTP request they send passes
through one hook, so that the account is what a server would have in its own log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from time import perf_counter
from typing import Any, Protocol, TypeVar

import httpx2
from tenacity import AsyncRetrying, retry_if_exception

from vicabench.adapters.api.account import Account
from vicabench.adapters.api.background import Background
from vicabench.adapters.api.bodies import ask_plain, bounded, only_to
from vicabench.adapters.api.completion import Completion, Usage
from vicabench.adapters.api.failures import (
    CONNECTION,
    MALFORMED,
    TIMEOUT,
    CallError,
    shortened,
)
from vicabench.adapters.api.keys import scrubbed
from vicabench.adapters.api.prices import price_of
from vicabench.adapters.api.waiting import LONGEST_ASKED, Backoff
from vicabench.errors import ConfigError
from vicabench.options import ApiOptions
from vicabench.results.predictions import BUDGET
from vicabench.runtime import within
from vicabench.text import counted

LOG = logging.getLogger(__name__)
NOTABLE = 5.0
"""Seconds of a pause that a user might wonder about."""
T = TypeVar("T")
ATTEMPT: ContextVar[int] = ContextVar("ATTEMPT", default=1)
"""Which attempt of its call the running task makes."""


class Calls:
    """Calls to one model, from any thread; `account` is what they came to.

    `keys` are what must appear in no text that comes out of here. ConfigError for options that
    say nothing together, or a price list without this model.
    """

    def __init__(self, model: str, options: ApiOptions, keys: Sequence[str]) -> None:
        if options.max_cost is not None and not options.prices:
            raise ConfigError(
                "--max-cost needs to know what tokens cost: give --prices FILE, with the prices "
                "of your contract. vicabench comes with none."
            )
        if options.max_retries == 0 and "retry_wait" in options.given():
            raise ConfigError("--max-retries 0 tries nothing again: leave out --retry-wait.")
        self.options, self._keys = options, keys
        self.account = Account(
            max_requests=options.max_requests,
            max_cost=options.max_cost,
            price=price_of(model, options.prices),
        )
        self._background = Background()
        self._clients: list[httpx2.AsyncClient] = []
        # With a limit of cost, one at a time until it is known what a call costs.
        self._kept = options.concurrency - 1 if options.max_cost is not None else 0
        self._slots = asyncio.Semaphore(options.concurrency - self._kept)
        self._ended = asyncio.Event()
        self._not_before = 0.0

    def http(self, address: str) -> httpx2.AsyncClient:
        """What a provider's client is to send with, to the host of `address` alone.

        It follows no redirect: keys and videos stay with the host that the user named.
        """
        asking = [only_to(address), ask_plain, self._sending]
        client = httpx2.AsyncClient(
            event_hooks={"request": asking, "response": [bounded]},
            timeout=None,
            follow_redirects=False,
            # Else what waits for one of a hundred connections would count as sent.
            limits=httpx2.Limits(max_keepalive_connections=self.options.concurrency),
        )
        self._clients.append(client)
        return client

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that makes calls."""
        return self._background.run(work)

    def each(self, works: Sequence[Coroutine[Any, Any, T]]) -> Iterator[T]:
        """The results of several, as they come; at most `concurrency` calls are made at once."""
        return self._background.each(works)

    def told(self, text: str) -> str:
        """What a server or a client said, without keys, on one line that is not too long."""
        return shortened(scrubbed(text, self._keys))  # in this order: half a key would be left

    def close(self) -> None:
        """Close the connections, and end the thread that the calls are made in."""
        for client in self._clients:
            self.run(client.aclose())
        self._clients.clear()
        self._background.close()

    async def call(self, send: Callable[[], Awaitable[T]], *, free: bool = False) -> tuple[T, int]:
        """What `send` gives, and after how many attempts; CallError saying why it gives nothing.

        `send` raises CallError for what it knows of the server's ways; any other exception is
        made into one. A `free` call is made also when nothing more is to be sent.
        """
        attempts = adapted = 0

        async def attempt() -> T:
            nonlocal attempts, adapted
            await self._pause()
            while not free and self.account.must_wait:
                await self._ended.wait()
            self.account.begin(free=free)
            try:
                attempts += 1
                ATTEMPT.set(attempts)
                return await self._once(send)
            except CallError as error:
                attempts -= error.kind == BUDGET  # it never left
                adapted += error.adapted
                raise
            finally:
                self.account.end()
                self._ended.set()  # all who wait look again
                self._ended = asyncio.Event()

        retrying = AsyncRetrying(
            stop=lambda state: state.attempt_number > self.options.max_retries + adapted,
            wait=Backoff(self.options.retry_wait),
            retry=retry_if_exception(lambda error: isinstance(error, CallError) and error.again),
            reraise=True,
        )
        async with self._slots:
            try:
                return await retrying(attempt), attempts
            except CallError as error:
                raise self._final(error, attempts) from None

    async def complete(self, send: Callable[[], Awaitable[Completion]]) -> Completion:
        """The completion that `send` gives, with its cost, attempts and seconds, without keys."""
        started = perf_counter()

        async def counted() -> Completion:  # before another call may think there is money left
            found = await send()
            return replace(found, cost=self._received(found.usage))

        found, attempts = await self.call(counted)
        self.account.answered += 1
        return replace(
            found,
            text=scrubbed(found.text, self._keys),
            stop=self.told(found.stop),
            served_by=found.served_by and self.told(found.served_by),
            attempts=attempts,
            seconds=perf_counter() - started,
        )

    async def _once(self, send: Callable[[], Awaitable[T]]) -> T:
        """One attempt, whatever may happen in it turned into a CallError."""
        seconds = self.options.request_timeout
        try:
            async with within(seconds):
                return await send()
        except CallError as error:
            if error.usage is not None and error.usage != Usage():
                error.cost = self._received(error.usage)
            self._heed(error)
            raise
        except TimeoutError:
            reason = f"no whole reply within {counted(seconds, 'second')} (--request-timeout)"
            raise CallError(TIMEOUT, reason, again=True) from None
        except httpx2.TransportError as error:
            raise CallError(CONNECTION, _named(error), again=True) from None
        except Exception as error:  # a client may stumble over anything that a server sends
            raise CallError(MALFORMED, _named(error)) from None

    def _received(self, usage: Usage) -> float | None:
        while self._kept:
            self._kept -= 1
            self._slots.release()
        return self.account.received(usage)

    async def _pause(self) -> None:
        """Wait while the server wants to be left alone, whichever call it told."""
        loop = asyncio.get_running_loop()
        while (seconds := self._not_before - loop.time()) > 0:
            await asyncio.sleep(seconds)

    def _heed(self, error: CallError) -> None:
        """Keep away for as long as the server asks, or for good if that is too long."""
        if not error.again or error.wait is None:
            return
        if error.wait > LONGEST_ASKED:
            error.again, error.fatal, error.hopeless, error.busy = False, True, 1, True
            error.reason = f"to be asked again in {error.wait:,.0f} seconds: {error.reason}"
        else:
            now = asyncio.get_running_loop().time()
            self._not_before = max(self._not_before, now + error.wait)
            if error.wait >= NOTABLE:
                LOG.warning("The server asks to be left alone for %.0f seconds", error.wait)

    def _final(self, error: CallError, attempts: int) -> CallError:
        error.attempts = attempts
        error.reason = self.told(error.reason)
        self.account.gave_up(error)
        return error

    async def _sending(self, request: httpx2.Request) -> None:
        # What was stored at a provider is deleted whatever the budget says.
        self.account.sending(again=ATTEMPT.get() > 1, free=request.method == "DELETE")


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class Model(Protocol):
    """What a provider's module offers: replies to one message of a user, in parts it knows."""

    calls: Calls

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that can change a reply, as JSON values."""

    async def reply(self, parts: Sequence[Any], max_new_tokens: int) -> Completion:
        """The reply; CallError if there is none."""


def refusal(error: CallError, model: Model) -> CallError | ConfigError:
    """The error itself, or what it comes to where the server has refused all from the start."""
    if not error.final:
        return error
    name, endpoint = model.settings["model"], model.settings["endpoint"]
    again = " What failed meanwhile is asked again with --retry-errors." * (error.hopeless > 1)
    advice = "Check the key, the account and the name."
    if error.busy:
        advice = "Type the same command again when that time is over."
    return ConfigError(f"{name} at {endpoint} cannot be asked: {error}. {advice}{again}")
