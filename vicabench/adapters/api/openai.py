"""`openai:MODEL`: OpenAI, or with --base-url any server that speaks its chat completions."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import openai

from vicabench.adapters.api.account import (
    CONNECTION,
    EMPTY,
    FILTERED,
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
from vicabench.adapters.api.adapter import ApiAdapter, Frames, settings_of
from vicabench.adapters.api.calls import Calls, retry_after_seconds
from vicabench.errors import ConfigError
from vicabench.options import ApiOptions
from vicabench.types import AdapterContext

OFFICIAL = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
NO_KEY = "EMPTY"
"""What is sent to a server of one's own that wants no key; vLLM and SGLang document it so."""
REFUSED = frozenset({"unsupported_parameter", "unsupported_value"})
"""The codes of a 400 by which OpenAI says that a model does not take a parameter."""
WITHHELD = frozenset({"content_filter", "content_policy_violation"})
"""The codes of a 400 by which a prompt is filtered."""
LIMITS = ("max_completion_tokens", "max_tokens")
"""The new name and the old one of the most tokens that a reply may have."""

Part = Mapping[str, Any]


class ChatModel:
    """A model behind an OpenAI-compatible endpoint.

    Greedy as far as the model lets one: `temperature` 0 and a `seed`. A model that refuses one of
    them (OpenAI's reasoning models do) is asked again without it, and that is recorded with every
    answer. ConfigError for a missing key or an address that is none.
    """

    def __init__(self, name: str, options: ApiOptions, seed: int) -> None:
        base_url = options.base_url or os.environ.get("OPENAI_BASE_URL", "")
        self.base_url = checked_url(base_url or OFFICIAL)
        own = self.base_url != OFFICIAL
        key = key_from([KEY])
        if not key and not own:
            raise ConfigError(
                f"openai:{name} needs a key: set {KEY} in the environment. A server of your own "
                "(--base-url) needs none."
            )
        self.name, self.calls = name, Calls(name, options, [key] if key else [])
        self._sampling: Mapping[str, Any] = {"temperature": 0.0, "seed": seed}
        # OpenAI's newer models want the new name; servers of other makers know the old one.
        self._limits = LIMITS[::-1] if own else LIMITS
        self._refused: set[str] = set()
        self._client = openai.AsyncOpenAI(
            api_key=key or NO_KEY,
            base_url=self.base_url,
            max_retries=0,
            timeout=None,
            http_client=self.calls.http(self.base_url),
        )

    @property
    def settings(self) -> dict[str, Any]:
        """All that can change a reply."""
        sampling = {**self._sampling, "if refused": "left out"}
        return {"endpoint": self.base_url, "model": self.name, "sampling": sampling}

    async def reply(self, parts: Sequence[Part], max_new_tokens: int) -> Completion:
        """The reply to one message of a user; CallError if there is none."""
        return await self.calls.complete(lambda: self._send(parts, max_new_tokens))

    async def _send(self, parts: Sequence[Part], max_new_tokens: int) -> Completion:
        given = self._given(max_new_tokens)
        messages: Any = [{"role": "user", "content": list(parts)}]
        try:
            raw = await self._client.chat.completions.with_raw_response.create(
                model=self.name, messages=messages, **given
            )
            body = raw.http_response.json()
        except openai.APIStatusError as error:
            raise self._of(error, given) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            if isinstance(cause, CallError):
                raise cause from None
            reason = f"{type(cause).__name__}: {cause}"
            raise CallError(CONNECTION, reason, retryable=True) from None
        except (ValueError, RecursionError) as error:
            raise CallError(MALFORMED, f"the reply is not JSON: {error}") from None
        return read_chat(body, tuple(sorted(self._sampling.keys() - given.keys())))

    def _given(self, max_new_tokens: int) -> dict[str, Any]:
        """The parameters that this model has not refused yet."""
        limits = [name for name in self._limits if name not in self._refused]
        sampling = {k: v for k, v in self._sampling.items() if k not in self._refused}
        return dict.fromkeys(limits[:1], max_new_tokens) | sampling

    def _of(self, error: openai.APIStatusError, given: Mapping[str, Any]) -> CallError:
        detail = error.body if isinstance(error.body, dict) else {}
        code, message = detail.get("code"), str(detail.get("message") or error.message)
        name = detail.get("param")
        if code in REFUSED and isinstance(name, str) and name in given:
            self._refused.add(name)
            endless = self._refused >= {*LIMITS}  # without any limit nothing is asked
            reason = f"{error.status_code}: {message}"
            return CallError(HTTP, reason, retryable=not endless, adapted=True, fatal=endless)
        if code in WITHHELD:
            return CallError(FILTERED, message)
        return of_status(
            error.status_code,
            message,
            retry_after=retry_after_seconds(error.response.headers),
            spent=code == "insufficient_quota",
        )


def text_part(text: str) -> dict[str, str]:
    """A text as a part of a message."""
    return {"type": "text", "text": text}


def read_chat(body: Any, without: tuple[str, ...] = ()) -> Completion:
    """The completion in a reply's JSON; CallError for one that is no answer, or not in form."""
    usage = _usage(body)
    try:
        choice = body["choices"][0]
        message, stop = choice["message"], choice.get("finish_reason")
        text, refusal = message.get("content"), message.get("refusal")
    except (LookupError, TypeError, AttributeError):
        raise CallError(MALFORMED, "the reply has no message", usage=usage) from None
    if refusal:
        raise CallError(REFUSAL, str(refusal), usage=usage)
    if stop == "content_filter":
        raise CallError(FILTERED, "the provider withheld the reply", usage=usage)
    if text is not None and not isinstance(text, str):
        raise CallError(MALFORMED, f"the reply is {type(text).__name__}, not text", usage=usage)
    if not text or not text.strip():
        raise CallError(EMPTY, empty_reason(stop == "length"), usage=usage)
    served = body.get("model")
    return Completion(
        text=text,
        stop=str(stop or "unknown"),
        usage=usage,
        served_by=served if isinstance(served, str) else None,
        without=without,
    )


def empty_reason(cut: bool) -> str:
    """Why a reply without a word is no answer."""
    if cut:
        return "cut before its first word; a model that thinks needs more --max-new-tokens"
    return "the reply has no text"


def _usage(body: Any) -> Usage:
    found = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(found, dict):
        return Usage()
    details = found.get("prompt_tokens_details")
    return Usage(
        prompt_tokens=count(found.get("prompt_tokens")),
        cached_tokens=count(details.get("cached_tokens")) if isinstance(details, dict) else None,
        new_tokens=count(found.get("completion_tokens")),
    )


def build(argument: str, context: AdapterContext) -> ApiAdapter:
    """The adapter of the model that `argument` names; ConfigError if it cannot be asked."""
    options = context.options
    if not argument:
        raise ConfigError("Say which model: --model openai:MODEL")
    model = ChatModel(argument, options, context.seed)
    showing = Frames(options=options, part=_image)
    return ApiAdapter(
        model=model,
        options=options,
        settings=settings_of(model, showing, options),
        showing=showing,
        text=text_part,
    )


def _image(jpeg: bytes) -> dict[str, Any]:
    url = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
