"""`openai:MODEL`: OpenAI, or with --base-url any server of chat completions."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
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
from vicabench.adapters.api.adapter import (
    NO_SAMPLING,
    SHARED,
    ApiAdapter,
    Frames,
    benchmark_asking,
    settings_of,
)
from vicabench.adapters.api.calls import Calls, retry_after_seconds
from vicabench.adapters.api.clips import Clip, OneVideo, as_text
from vicabench.errors import ConfigError
from vicabench.options import SAMPLING, ApiOptions
from vicabench.types import AdapterContext, ModelOptions

OFFICIAL = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
NO_KEY = "EMPTY"
"""The key for a server that needs none, as vLLM and SGLang document it."""
REFUSED = frozenset({"unsupported_parameter", "unsupported_value"})
"""Error codes of a status 400 for a parameter that the model does not support."""
WITHHELD = frozenset({"content_filter", "content_policy_violation"})
"""Error codes of a status 400 for a filtered prompt."""
LIMITS = ("max_completion_tokens", "max_tokens")
"""The new and the old name of the limit for a reply's tokens."""

OTHERS = frozenset({"top_k", "repetition_penalty"})
"""Parameters that vLLM and SGLang document beside OpenAI's."""

CLOCK = "media_io_kwargs"
"""vLLM's name for the times of a video's frames."""
FRAMES_AS = ("auto", "images", "video")
NOT_A_VIDEO = (
    "a server may not take a list of JPEGs as a video, as vLLM does: leave out --frames-as video "
    "to send images"
)

Part = Mapping[str, Any]


class ChatModel:
    """A model behind an OpenAI-compatible endpoint.

    Decoding is greedy if the model allows it: `temperature` 0 and a `seed`. A model that refuses
    one of them, as OpenAI's reasoning models do, is asked again without it, which is recorded with
    every answer. What `sampling` names was asked for, so a model that refuses it is not asked.

    Raises:
        ConfigError: For a missing key, an invalid address, or sampling that the API does not know.
    """

    def __init__(
        self, name: str, options: ApiOptions, seed: int, sampling: Mapping[str, float] = NO_SAMPLING
    ) -> None:
        base_url = options.base_url or os.environ.get("OPENAI_BASE_URL", "")
        self.base_url = checked_url(base_url or OFFICIAL)
        own_server = self.base_url != OFFICIAL
        _refuse_unknown(name, () if own_server else OTHERS & sampling.keys())
        key = key_from([KEY])
        if not key and not own_server:
            raise ConfigError(
                f"openai:{name} needs a key: set {KEY} in the environment. Your own server "
                "(--base-url) needs none."
            )
        self.name, self.calls = name, Calls(name, options, [key] if key else [])
        self._sampling: Mapping[str, Any] = {"temperature": 0.0, "seed": seed, **sampling}
        self._asked_for = frozenset(sampling)
        # OpenAI's newer models require the new name; other servers may know only the old one.
        self._limits = LIMITS[::-1] if own_server else LIMITS
        self._refused: set[str] = set()
        self.client = openai.AsyncOpenAI(
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

    async def reply(
        self, parts: Sequence[Part | Clip], max_new_tokens: int, repeat: int = 0
    ) -> Completion:
        """Return the reply to one user message; CallError if there is none.

        Each repeat has its own seed.
        """
        return await self.calls.complete(lambda: self._send(parts, max_new_tokens, repeat))

    async def _send(
        self, parts: Sequence[Part | Clip], max_new_tokens: int, repeat: int
    ) -> Completion:
        parameters = self._parameters(max_new_tokens, repeat)
        asked = self._body(parts, parameters)
        clip = CLOCK in asked
        further = {name: asked.pop(name) for name in (*OTHERS, CLOCK) if name in asked}
        try:
            raw = await self.client.chat.completions.with_raw_response.create(
                **asked, extra_body=further or None
            )
            body = raw.http_response.json()
        except openai.APIStatusError as error:
            explained = self._explain(error, parameters)
            raise about_video(explained) if clip else explained from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            if isinstance(cause, CallError):
                raise cause from None
            reason = f"{type(cause).__name__}: {cause}"
            raise CallError(CONNECTION, reason, retryable=True) from None
        except (ValueError, RecursionError) as error:
            raise CallError(MALFORMED, f"the reply is not JSON: {error}") from None
        return read_chat(body, tuple(sorted(self._sampling.keys() - parameters.keys())))

    def request(
        self, parts: Sequence[Part | Clip], max_new_tokens: int, repeat: int
    ) -> dict[str, Any]:
        """The body of a request, without parameters that this model has refused so far."""
        return self._body(parts, self._parameters(max_new_tokens, repeat))

    def _body(self, parts: Sequence[Part | Clip], parameters: Mapping[str, Any]) -> dict[str, Any]:
        clip = next((part for part in parts if isinstance(part, Clip)), None)
        content = [part.part if isinstance(part, Clip) else part for part in parts]
        clock = {CLOCK: {"video": clip.clock}} if clip else {}
        messages = [{"role": "user", "content": content}]
        return {"model": self.name, "messages": messages, **parameters, **clock}

    def _parameters(self, max_new_tokens: int, repeat: int) -> dict[str, Any]:
        """The parameters that this model has not refused yet."""
        limits = [name for name in self._limits if name not in self._refused]
        values = {**self._sampling, "seed": self._sampling["seed"] + repeat}
        sampling = {k: v for k, v in values.items() if k not in self._refused}
        return dict.fromkeys(limits[:1], max_new_tokens) | sampling

    def _explain(self, error: openai.APIStatusError, parameters: Mapping[str, Any]) -> CallError:
        detail = error.body if isinstance(error.body, dict) else {}
        code, message = detail.get("code"), str(detail.get("message") or error.message)
        name = detail.get("param")
        if code in REFUSED and name in self._asked_for:
            reason = f"it does not accept --{str(name).replace('_', '-')}: {message}"
            return CallError(HTTP, reason, fatal=True)
        if code in REFUSED and isinstance(name, str) and name in parameters:
            self._refused.add(name)
            unlimited = self._refused >= {*LIMITS}  # a call without a limit is never sent
            reason = f"{error.status_code}: {message}"
            return CallError(HTTP, reason, retryable=not unlimited, adapted=True, fatal=unlimited)
        if code in WITHHELD:
            return CallError(FILTERED, message)
        return of_status(
            error.status_code,
            message,
            retry_after=retry_after_seconds(error.response.headers),
            spent=code == "insufficient_quota",
        )


def about_video(error: CallError) -> CallError:
    """The same error of a request with a video, which may be what the server does not take.

    It ends the run if the first three questions fail this way. Status 500 is among them: vLLM
    answers so where its processor of videos fails.
    """
    refused = not error.retryable or error.reason.startswith("500")
    if error.kind == HTTP and refused and not error.give_up_after:
        error.reason = f"{error.reason} ({NOT_A_VIDEO})"
        error.give_up_after = 3
    return error


def _refuse_unknown(name: str, unknown: Collection[str]) -> None:
    if unknown:
        typed = ", ".join("--" + each.replace("_", "-") for each in sorted(unknown))
        raise ConfigError(
            f"--model openai:{name} does not accept {typed}, which OpenAI's API does not know: "
            "leave it out. Servers such as vLLM and SGLang (--base-url) know it."
        )


def text_part(text: str) -> dict[str, str]:
    """A text as part of a message."""
    return {"type": "text", "text": text}


def read_chat(body: Any, without: tuple[str, ...] = ()) -> Completion:
    """Read the completion from a reply's JSON.

    Raises:
        CallError: For a reply that is malformed, refused, filtered or empty.
    """
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
    """Why a reply without text is not an answer."""
    if cut:
        return "cut before its first word; a thinking model needs more --max-new-tokens"
    return "the reply has no text"


def _usage(body: Any) -> Usage:
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("prompt_tokens_details")
    return Usage(
        prompt_tokens=count(usage.get("prompt_tokens")),
        cached_tokens=count(details.get("cached_tokens")) if isinstance(details, dict) else None,
        new_tokens=count(usage.get("completion_tokens")),
    )


class ChatAdapter(ApiAdapter):
    """Asks with the sampled frames, then the question."""

    accepts_options = (*SHARED, "frames_as", "batch", *SAMPLING)


def build(argument: str, context: AdapterContext) -> ChatAdapter:
    """Build the adapter of the model that `argument` names.

    Raises:
        ConfigError: For a missing name or key, or invalid options.
    """
    options = context.options
    if not argument:
        raise ConfigError("Say which model: --model openai:MODEL")
    _refuse_beside_batch(options)
    model = ChatModel(argument, options, context.seed, options.sampling)
    showing = _showing(argument, options, model)
    asking = benchmark_asking(context)
    return ChatAdapter(
        model=model,
        options=options,
        settings=settings_of(model, showing, options, asking),
        showing=showing,
        asking=asking,
        text=text_part,
    )


def _refuse_beside_batch(options: ModelOptions) -> None:
    beside = {"max_cost", "max_requests", "concurrency"} & {*options.given()}
    if options.batch and beside:
        typed = ", ".join("--" + name.replace("_", "-") for name in sorted(beside))
        raise ConfigError(
            f"--batch sends all requests at once, so {typed} would be ignored: leave it out. "
            "--limit and --tasks ask less."
        )


def _showing(name: str, options: ModelOptions, model: ChatModel) -> Frames:
    """How frames are shown; ConfigError for a video where none is taken."""
    if options.frames_as not in FRAMES_AS:
        raise ConfigError(
            f"There is no --frames-as {options.frames_as}. Choose {', '.join(FRAMES_AS)}."
        )
    if options.frames_as != "video":
        return Frames(options=options, part=_image)
    if model.base_url == OFFICIAL:
        raise ConfigError(
            f"--model openai:{name} does not accept --frames-as video, which OpenAI's API does not "
            "know: leave it out. vLLM (--base-url) knows it."
        )
    return OneVideo(options=options, part=as_text)


def _image(jpeg: bytes) -> dict[str, Any]:
    url = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
