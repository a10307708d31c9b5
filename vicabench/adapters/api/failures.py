"""Why a call brought no answer: one kind of exception for everything an API may do."""

from __future__ import annotations

from vicabench.adapters.api.completion import Usage
from vicabench.text import counted

TIMEOUT, CONNECTION, HTTP = "timeout", "connection", "http"
REFUSAL, FILTERED, EMPTY, MALFORMED = "refusal", "filtered", "empty", "malformed"
UPLOAD = "upload"
TRANSIENT_STATUS = frozenset({408, 409, 429})
"""Besides all from 500 on: what the providers' own clients send again."""
UNAUTHORIZED = 401
HOPELESS_STATUS = {UNAUTHORIZED: 1, 403: 3, 404: 1}
"""No key, not allowed, no such model: after so many calls, none of them answered, none will be.

Some gateways answer 403 also to a single prompt that they do not like.
"""
LONGEST_REASON = 500


class CallError(Exception):
    """A call that brought no answer; as a text it begins with its `kind`: `budget: ...`.

    `again` says that the same call may succeed later, not before `wait` seconds if the server
    said so, and `adapted` that it will be put in another way then, which no limit of retries
    forbids; `fatal` that no call will. After `hopeless` calls that failed so none will if none has
    yet; 0 is for errors that say nothing about other calls. `final` says that it has come to that,
    when it did; `busy` that the server only asks to be left alone for long. `usage` is what
    the failed reply took, if one came at all, `cost` its price, and `attempts` how often the call
    was sent.
    """

    def __init__(
        self,
        kind: str,
        reason: str,
        *,
        again: bool = False,
        fatal: bool = False,
        hopeless: int = 0,
        adapted: bool = False,
        wait: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(kind, reason)
        self.busy = False
        self.kind, self.reason = kind, reason
        self.again, self.fatal, self.hopeless = again, fatal, 1 if fatal else hopeless
        self.adapted, self.wait, self.usage = adapted, wait, usage
        self.final = False
        self.cost: float | None = None
        self.attempts = 0

    def __str__(self) -> str:
        times = f" ({counted(self.attempts, 'attempt')})" if self.attempts > 1 else ""
        return f"{self.kind}: {self.reason}{times}"


def of_status(
    status: int, reason: str, *, wait: float | None = None, spent: bool = False
) -> CallError:
    """The error that an HTTP status means.

    `wait` is what Retry-After asks for, in seconds; `spent` says that it is a quota that no
    waiting refills.
    """
    again = (status in TRANSIENT_STATUS or status >= 500) and not spent
    return CallError(
        HTTP,
        f"{status}: {reason}",
        again=again,
        fatal=spent or status == UNAUTHORIZED,
        hopeless=HOPELESS_STATUS.get(status, 0),
        wait=wait,
    )


def shortened(text: str) -> str:
    """One line of at most `LONGEST_REASON` characters: servers send whole pages."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_REASON else flat[: LONGEST_REASON - 3] + "..."
