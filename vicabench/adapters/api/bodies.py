"""Where requests go, and how much a server may reply before it is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2

from vicabench.adapters.api.failures import MALFORMED, UPLOAD, CallError

LARGEST = 32 << 20
"""Bytes of a reply's body: hundreds of times what the longest answer of a model has."""


def only_to(address: str) -> Callable[[httpx2.Request], Awaitable[None]]:
    """A hook for requests: CallError for one to another host than that of `address`.

    A server says itself where it wants a video to be sent.
    """
    named = httpx2.URL(address)

    async def check(request: httpx2.Request) -> None:
        if _origin(request.url) != _origin(named):
            reason = f"the server wants it sent to {request.url.host}, not to itself"
            raise CallError(UPLOAD, reason)

    return check


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


async def ask_plain(request: httpx2.Request) -> None:
    """A hook for requests: a compressed body could be a thousand times what came."""
    request.headers["Accept-Encoding"] = "identity"


async def bounded(response: httpx2.Response) -> None:
    """A hook for replies: CallError for one that is compressed, or as soon as it is too long."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise CallError(MALFORMED, f"the reply is compressed ({encoding}), which was not asked for")
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: object) -> None:
        if not isinstance(stream, httpx2.AsyncByteStream):
            raise TypeError(f"not a body to wait for: {stream!r}")
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        come = 0
        async for chunk in self._stream:
            come += len(chunk)
            if come > LARGEST:
                raise CallError(MALFORMED, f"the reply is longer than {LARGEST:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
