"""`anthropic:MODEL`: Anthropic's messages, or with --base-url any server that speaks them."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anthropic

from vicabench.adapters.api.account import (
    CONNECTION,
    EMPTY,
    HTTP,
    MALFORMED,
    REFUSAL,
    CallError,
    Completion,
    Usage,
    checked_url,
    count,
    key_from,
    of_status,
)
from vicabench.adapters.api.adapter import (
    NO_SAMPLING,
    SHARED,
    ApiAdapter,
    Frames,
    benchmark_asking,
    settings_of,
)
from vicabench.adapters.api.calls import Calls, retry_after_seconds
from vicabench.adapters.api.openai import NO_KEY, empty_reason
from vicabench.errors import ConfigError
from vicabench.options import SAMPLING, ApiOptions
from vicabench.types import AdapterContext, Answer, Question, Video

OFFICIAL = "https://api.anthropic.com"
KEY = "ANTHROPIC_API_KEY"
VERSION = "2023-06-01"
"""The version of the API that is asked for: later ones refuse all sampling parameters."""
STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
CACHED = {"cache_control": {"type": "ephemeral"}}
"""The mark of the last part that is to be kept in the cache, with all before it."""

Part = Mapping[str, Any]


class MessagesModel:
    """A model behind Anthropic's messages.

    Decoding is greedy if the model allows it: `temperature` 0. A model that refuses it is asked
    again without it, which is recorded with every answer. What `sampling` names was asked for, so
    a model that refuses it is not asked. The API takes no seed.

    Raises:
        ConfigError: For a missing key, or an invalid address.
    """

    def __init__(
        self, name: str, options: ApiOptions, sampling: Mapping[str, float] = NO_SAMPLING
    ) -> None:
        base_url = options.base_url or os.environ.get("ANTHROPIC_BASE_URL", "")
        self.base_url = checked_url(base_url or OFFICIAL)
        key = key_from([KEY])
        if not key and self.base_url == OFFICIAL:
            raise ConfigError(
                f"anthropic:{name} needs a key: set {KEY} in the environment. Your own server "
                "(--base-url) needs none."
            )
        self.name, self.calls = name, Calls(name, options, [key] if key else [])
        self._sampling: Mapping[str, Any] = {"temperature": 0.0, **sampling}
        self._asked_for = frozenset(sampling)
        self._refused: set[str] = set()
        self._client = anthropic.AsyncAnthropic(
            api_key=key or NO_KEY,
            base_url=self.base_url,
            max_retries=0,
            timeout=None,
            default_headers={"anthropic-version": VERSION},
            http_client=self.calls.http(self.base_url),
        )

    @property
    def settings(self) -> dict[str, Any]:
        """All that can change a reply."""
        sampling = {**self._sampling, "if refused": "left out"}
        return {
            "endpoint": self.base_url,
            "api_version": VERSION,
            "model": self.name,
            "sampling": sampling,
        }

    async def reply(
        self,
        parts: Sequence[Part],
        max_new_tokens: int,
        repeat: int = 0,  # noqa: ARG002  (the API takes no seed)
    ) -> Completion:
        """Return the reply to one user message; CallError if there is none."""
        return await self.calls.complete(lambda: self._send(parts, max_new_tokens))

    async def _send(self, parts: Sequence[Part], max_new_tokens: int) -> Completion:
        sampling = {k: v for k, v in self._sampling.items() if k not in self._refused}
        messages: Any = [{"role": "user", "content": list(parts)}]
        try:
            raw = await self._client.messages.with_raw_response.create(
                model=self.name,
                messages=messages,
                max_tokens=max_new_tokens,
                extra_body=sampling,  # the client has no arguments for them any more
            )
            body = raw.http_response.json()
        except anthropic.APIStatusError as error:
            raise self._explain(error, sampling) from None
        except anthropic.APIConnectionError as error:
            cause = error.__cause__ or error
            if isinstance(cause, CallError):
                raise cause from None
            reason = f"{type(cause).__name__}: {cause}"
            raise CallError(CONNECTION, reason, retryable=True) from None
        except (ValueError, RecursionError) as error:
            raise CallError(MALFORMED, f"the reply is not JSON: {error}") from None
        return read_message(body, tuple(sorted(self._sampling.keys() - sampling.keys())))

    def _explain(self, error: anthropic.APIStatusError, sent: Mapping[str, Any]) -> CallError:
        """The CallError for an error status; remembers a refused setting."""
        kind, message = _error_of(error.body)
        message = message or error.message
        if error.status_code == 400:
            # The body names no parameter but in its text.
            named = [name for name in sent if re.search(rf"\b{name}\b", message)]
            # Two that exclude each other: what was not asked for gives way.
            named.sort(key=lambda name: name in self._asked_for)
            if named and named[0] in self._asked_for:
                typed = "--" + named[0].replace("_", "-")
                return CallError(HTTP, f"it does not accept {typed}: {message}", fatal=True)
            if named:
                self._refused.add(named[0])
                return CallError(HTTP, f"400: {message}", retryable=True, adapted=True)
        return of_status(
            error.status_code,
            message,
            retry_after=retry_after_seconds(error.response.headers),
            spent=kind == "billing_error",
        )


def _error_of(body: Any) -> tuple[str, str]:
    """The type and the message of an error; empty texts for what it lacks."""
    error = body.get("error") if isinstance(body, dict) else None
    found = error if isinstance(error, dict) else {}
    return str(found.get("type") or ""), str(found.get("message") or "")


def text_part(text: str) -> dict[str, str]:
    """A text as part of a message."""
    return {"type": "text", "text": text}


def read_message(body: Any, without: tuple[str, ...] = ()) -> Completion:
    """Read the completion from a reply's JSON; thoughts are left out.

    Raises:
        CallError: For a reply that is malformed, refused or empty.
    """
    usage = _usage(body)
    try:
        stop, served = body.get("stop_reason"), body.get("model")
        text = "".join(part["text"] for part in body["content"] if part.get("type") == "text")
    except (LookupError, TypeError, AttributeError):
        raise CallError(MALFORMED, "the reply has no message", usage=usage) from None
    if stop == "refusal":
        details = body.get("stop_details")
        why = details.get("explanation") if isinstance(details, dict) else None
        raise CallError(REFUSAL, str(why or "the provider gave no reason"), usage=usage)
    ended = STOPS.get(str(stop), "unknown")
    if not text.strip():
        raise CallError(EMPTY, empty_reason(ended == "length"), usage=usage)
    return Completion(
        text=text,
        stop=ended,
        usage=usage,
        served_by=served if isinstance(served, str) else None,
        without=without,
    )


def _usage(body: Any) -> Usage:
    """The tokens of a reply; `input_tokens` are those neither read from the cache nor written."""
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return Usage()
    fresh, read, written = (
        count(usage.get(name))
        for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    return Usage(
        prompt_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        cached_tokens=read,
        cache_write_tokens=written,
        new_tokens=count(usage.get("output_tokens")),
    )


@dataclass(frozen=True, kw_only=True)
class MessagesAdapter(ApiAdapter):
    """Asks with the sampled frames, then the question.

    The frames are marked for the server's cache if several questions follow them.
    """

    # The API has no penalties.
    accepts_options = (*SHARED, "frames_as", *SAMPLING[:3])

    def _asked(
        self, shown: Sequence[Any], video: Video, questions: Sequence[Question]
    ) -> Iterator[Answer]:
        text_first = self.asking is not None and self.asking.wording.before_frames
        # Writing to the cache costs more than not writing, so one question alone does not.
        shared = bool(shown) and len(questions) > 1 and not text_first
        parts = [*shown[:-1], {**shown[-1], **CACHED}] if shared else shown
        yield from super()._asked(parts, video, questions)


def build(argument: str, context: AdapterContext) -> MessagesAdapter:
    """Build the adapter of the model that `argument` names.

    Raises:
        ConfigError: For a missing name or key, or invalid options.
    """
    options = context.options
    if not argument:
        raise ConfigError("Say which model: --model anthropic:MODEL")
    if options.frames_as not in ("auto", "images"):
        raise ConfigError(
            f"--model anthropic:{argument} does not accept --frames-as {options.frames_as}: the "
            "API takes images alone."
        )
    model = MessagesModel(argument, options, options.sampling)
    price = model.calls.account.price
    if price is not None and price.cache_write is None:
        raise ConfigError(
            f"--prices {options.prices}: {argument} needs cache_write, the price of a million "
            "tokens that are written to the cache, because a video is kept there for its questions."
        )
    showing = Frames(options=options, part=_image)
    asking = benchmark_asking(context)
    return MessagesAdapter(
        model=model,
        options=options,
        settings=settings_of(model, showing, options, asking),
        showing=showing,
        asking=asking,
        text=text_part,
    )


def _image(jpeg: bytes) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/jpeg", "data": b64encode(jpeg).decode()}
    return {"type": "image", "source": source}
