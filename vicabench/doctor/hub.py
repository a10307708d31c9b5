"""Whether the Hugging Face hub answers, and whether it is asked at all. Never shows a token."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from threading import Thread
from typing import Any

from vicabench.benchmarks.hub import check_endpoint, host
from vicabench.doctor.findings import NOTE, OK, WARNING, Finding
from vicabench.errors import ConfigError

SECTION = "hub"
LIMIT_SECONDS = 10.0
PAGE = "api/models/nkkbr/ViCA2"
OFFLINE = "Rooms, --model vica2-rooms and whatever is in the cache work without it."


def hub() -> Iterator[Finding]:
    """Whether it can be reached within a few seconds, and whether a token is set."""
    try:
        check_endpoint()
    except ConfigError as error:
        yield Finding(section=SECTION, name="address", text=str(error), state=WARNING)
        return
    from huggingface_hub import constants, get_token  # noqa: PLC0415  (half a second)

    yield _offline() if constants.HF_HUB_OFFLINE else _reached(f"{constants.ENDPOINT}/{PAGE}")
    there = get_token() is not None
    text = "one is set" if there else "none is set; what is public needs none"
    yield Finding(section=SECTION, name="token", text=text, state=NOTE, facts={"set": there})


def _offline() -> Finding:
    return Finding(
        section=SECTION,
        name="address",
        text=f"{host()} is not asked: HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set. {OFFLINE}",
        state=NOTE,
        facts={"host": host(), "reached": None},
    )


def _reached(url: str) -> Finding:
    try:
        status = _status(url)
        problem = None if status < 400 else f"answers HTTP {status}, not as a hub does"
    except LateError:
        problem = f"does not answer within {LIMIT_SECONDS:g} seconds"
    except Exception as error:  # of the network, of a proxy, of certificates
        # Its text may repeat the address, in which a password may stand.
        problem = f"cannot be reached ({type(error).__name__})"
    return Finding(
        section=SECTION,
        name="address",
        text=f"{host()} {problem}. {OFFLINE}" if problem else f"{host()} answers",
        state=WARNING if problem else OK,
        remedy="Check the network, the proxy and HF_ENDPOINT." if problem else "",
        facts={"host": host(), "reached": problem is None},
    )


def _status(url: str) -> int:
    """The status of the answer; looking up a name has no time limit of its own, so this has one."""
    from huggingface_hub import get_session  # noqa: PLC0415

    found: Future[int] = Future()

    def ask() -> None:
        try:
            session: Any = get_session()
            found.set_result(session.head(url, timeout=LIMIT_SECONDS).status_code)
        except Exception as error:
            found.set_exception(error)

    Thread(target=ask, daemon=True).start()
    return found.result(timeout=LIMIT_SECONDS + 1)
